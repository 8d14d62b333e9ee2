#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-kmsg.pl PATTERN - when the kernel logged lines like PATTERN: CLOCK_MONOTONIC in ns, one a line
# The log has a clock of its own; lines that tell both give the difference. What came between reading
# the clock and logging makes it too small, so the largest of many is the best.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($pattern) = @ARGV;
open(my $log, '>', '/dev/kmsg') or die "/dev/kmsg: $!\n";
syswrite($log, sprintf("hwlat-kmsg %.6f\n", clock_gettime(CLOCK_MONOTONIC))) for 1 .. 50;
my ($offset, @at);
for (`dmesg`) {
	/^\[ *([0-9.]+)\] (.*)/ or next;
	my ($stamp, $text) = ($1, $2);
	if ($text =~ /^hwlat-kmsg ([0-9.]+)/) {
		$offset = $1 - $stamp if !defined $offset || $1 - $stamp > $offset;
	}
	push @at, $stamp if $text =~ /$pattern/;
}
die "the kernel's log does not hold what was written to it\n" if !defined $offset;
printf("%.0f\n", ($_ + $offset) * 1e9) for @at;
