#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-stops.pl PID COUNT MIN_MS MAX_MS [PAUSE_MS [TID|+TID...]] - stop a process COUNT times for random lengths
# One line for each stop, CLOCK_MONOTONIC in ns: the earliest and latest beginning, the earliest and
# latest end. A stop begins some time between asking for it and seeing every thread stopped.
# Then, for each TID, lines "off NUMBER START END": when thread NUMBER (from 0) was not on a CPU, by
# this kernel's trace of its scheduler. A thread that may go on after a stop waits for a CPU like any
# other, and so was stopped for longer than was asked for; and it may lose its CPU at any other time.
# Of a +TID, which may sleep when it likes, only the times when it waited for a CPU.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC nanosleep);

my ($pid, $count, $min_ms, $max_ms, $pause_ms, @tids) = @ARGV;
my %sleeps = map { /^\+(.*)/ ? ($1 => 1) : () } @tids;
s/^\+// for @tids;
my $trace = "/sys/kernel/tracing/instances/hwlat-truth-$$";
$pause_ms //= 50;
$| = 1;
srand(20261120); # the same lengths on every machine

sub now { return int(clock_gettime(CLOCK_MONOTONIC) * 1e9) }

sub sleep_until {
	my ($end) = @_;
	while ((my $left = $end - clock_gettime(CLOCK_MONOTONIC)) > 0) {
		nanosleep(int($left * 1e9)) if $left > 0.0005; # the rest is waited for awake
	}
}

# Whatever goes wrong here, nothing stays stopped and no trace goes on.
$SIG{INT} = $SIG{TERM} = sub { exit 1 };
END {
	kill('CONT', $pid) if $pid;
	rmdir($trace) if -d $trace;
}

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

sub set {
	my ($file, $text) = @_;
	open(my $out, '>', "$trace/$file") or die "$trace/$file: $!\n";
	syswrite($out, $text) or die "$trace/$file: $!\n";
}

sub start_trace {
	mkdir($trace) or die "$trace: $!\n";
	set('trace_clock', 'mono');
	set('buffer_size_kb', 65536); # 200 stops and what is between them: 275,000 events
	set('events/sched/sched_switch/filter', join('||', map { "prev_pid==$_||next_pid==$_" } @tids));
	set('events/sched/sched_wakeup/filter', join('||', map { "pid==$_" } @tids));
	set("events/sched/$_/enable", 1) for qw(sched_wakeup sched_switch);
}

# Some kernels do not trace every switch from the idle task. A thread that is found on a CPU without
# one got there when it was woken.
sub print_trace {
	my %number = map { $tids[$_] => $_ } 0 .. $#tids;
	my (%since, %asleep, %woken);
	my $on = sub {
		my ($tid, $at) = @_;
		my $from = $asleep{$tid} && $sleeps{$tid} ? $woken{$tid} : $since{$tid};
		printf("off %d %.0f %.0f\n", $number{$tid}, $from, $at) if $at && $from;
		delete @{$_}{$tid} for \%since, \%asleep, \%woken;
	};
	set('tracing_on', 0);
	open(my $in, '<', "$trace/trace") or die "$trace/trace: $!\n";
	while (<$in>) {
		die "the scheduler's trace lost events: $_" if m{entries-written: (\d+)/(\d+)} && $1 != $2;
		/ (\d+)\.(\d{6}): (sched_\w+): (.*)/ or next;
		my ($at, $event, $fields) = ($1 * 1e9 + $2 * 1e3, $3, $4);
		if ($event eq 'sched_wakeup') {
			$woken{$1} = $at if $fields =~ / pid=(\d+) prio/;
			next;
		}
		my ($prev, $state, $next) = $fields =~ /prev_pid=(\d+) .*prev_state=(\S)\S* ==> .*next_pid=(\d+) /
			or next;
		$on->($next, $at) if exists $number{$next};
		next if !exists $number{$prev};
		$on->($prev, $woken{$prev});
		$since{$prev} = $at;
		$asleep{$prev} = $state eq 'S';
	}
	$on->($_, $woken{$_}) for keys %woken;
}

start_trace() if @tids;
for (1 .. $count) {
	sleep_until(clock_gettime(CLOCK_MONOTONIC) + $pause_ms * (0.5 + rand) / 1e3);
	my $length = ($min_ms + rand($max_ms - $min_ms)) / 1e3;
	my @t = now();
	kill('STOP', $pid) or die "stopping $pid failed: $!\n";
	nanosleep(20000) until stopped(); # asleep: its threads may need this CPU to stop
	push @t, now();
	sleep_until(clock_gettime(CLOCK_MONOTONIC) + $length);
	push @t, now();
	kill('CONT', $pid) or die "continuing $pid failed: $!\n";
	push @t, now();
	print "@t\n";
}
if (@tids) {
	sleep_until(clock_gettime(CLOCK_MONOTONIC) + 0.5); # the last one's threads get their CPUs
	print_trace();
}
