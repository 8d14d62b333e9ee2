#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-hogs.pl COUNT MIN_MS MAX_MS - take this CPU COUNT times, under the name rthog
# Run it pinned and with a real-time policy. Lines as hwlat-stops.pl writes them.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC nanosleep);

my ($count, $min_ms, $max_ms) = @ARGV;
$0 = 'rthog';
$| = 1;
srand(20261120);
my $wall = sprintf('%.0f', clock_gettime(CLOCK_MONOTONIC));
sub now { return sprintf('%d%09d', $wall, 0) + int((clock_gettime(CLOCK_MONOTONIC) - $wall) * 1e9) }

for (1 .. $count) {
	nanosleep((0.05 + rand(0.1)) * 1e9);
	my $length = ($min_ms + rand($max_ms - $min_ms)) * 1e6;
	my $start = now();
	1 while now() < $start + $length;
	my $end = now();
	# it had the CPU a little before and gives it back a little after
	print join(' ', $start - 2_000_000, $start, $end, $end + 2_000_000), "\n";
}
