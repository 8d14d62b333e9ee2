#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-stops.pl PID COUNT MIN_MS MAX_MS [PAUSE_MS [TID...]] - stop a process COUNT times for random lengths
# One line for each stop, CLOCK_REALTIME in ns: the earliest and latest beginning, the earliest and
# latest end. A stop begins some time between asking for it and seeing every thread stopped. For
# each TID follows how long that thread waited for a CPU from then until it ran again: by so much
# its stop was longer, and that is this machine's doing, not asked for.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_REALTIME CLOCK_MONOTONIC nanosleep);

my ($pid, $count, $min_ms, $max_ms, $pause_ms, @tids) = @ARGV;
$pause_ms //= 50;
$| = 1;
srand(20261120); # the same lengths on every machine

# Seconds with a fraction lose nanoseconds of today's date: offset once, then small numbers.
my $wall = sprintf('%.0f', clock_gettime(CLOCK_REALTIME));
sub now { return sprintf('%d%09d', $wall, 0) + int((clock_gettime(CLOCK_REALTIME) - $wall) * 1e9) }

sub sleep_until {
	my ($end) = @_;
	while ((my $left = $end - clock_gettime(CLOCK_MONOTONIC)) > 0) {
		nanosleep(int($left * 1e9)) if $left > 0.0005; # the rest is waited for awake
	}
}

END { kill('CONT', $pid) if $pid } # whatever goes wrong here, nothing stays stopped

sub stopped {
	my @tasks = glob("/proc/$pid/task/*/stat");
	die "process $pid is gone\n" if !@tasks;
	for my $file (@tasks) {
		open(my $in, '<', $file) or next; # threads come and go
		my $line = <$in> // next;
		return 0 if $line !~ /\) T /;
	}
	return 1;
}

# What the scheduler knows of a thread: ns it waited for a CPU, how often it was given one.
sub sched {
	my ($tid) = @_;
	open(my $in, '<', "/proc/$pid/task/$tid/schedstat") or die "thread $tid is gone\n";
	my (undef, $waited, $runs) = split ' ', <$in>;
	return ($waited, $runs);
}

# A thread that sleeps (an idle vCPU) need not run again: half a second is enough.
sub waited {
	my ($tid, $before, $stopped_runs) = @_;
	my $end = clock_gettime(CLOCK_MONOTONIC) + 0.5;
	while (1) {
		my ($now, $runs) = sched($tid);
		return $now - $before if $runs != $stopped_runs || clock_gettime(CLOCK_MONOTONIC) > $end;
		nanosleep(50000);
	}
}

for (1 .. $count) {
	sleep_until(clock_gettime(CLOCK_MONOTONIC) + $pause_ms * (0.5 + rand) / 1e3);
	my $length = ($min_ms + rand($max_ms - $min_ms)) / 1e3;
	my %before = map { $_ => (sched($_))[0] } @tids;
	my @t = now();
	kill('STOP', $pid) or die "stopping $pid failed: $!\n";
	nanosleep(20000) until stopped(); # asleep: its threads may need this CPU to stop
	push @t, now();
	sleep_until(clock_gettime(CLOCK_MONOTONIC) + $length);
	my %runs = map { $_ => (sched($_))[1] } @tids;
	push @t, now();
	kill('CONT', $pid) or die "continuing $pid failed: $!\n";
	push @t, now();
	push @t, map { waited($_, $before{$_}, $runs{$_}) } @tids;
	print "@t\n";
}
