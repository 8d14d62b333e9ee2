#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-match.pl [--other-clock] TRUTH SPIKES ABS_MS PERCENT CPU...
# Hold spikes.jsonl against what was injected. TRUTH: lines of hwlat-stops.pl. Prints how many stops
# there were, how many were found on every CPU, how many of these at their length (within ABS_MS or
# PERCENT of what is known of it), how many as one event; on stderr each miss, the errors, the names
# given, and what else was found (the noise beside them).
# Where TRUTH has lines "off", which tell when the emulator's thread of a CPU (the nth of CPU...) was
# not on a CPU, a gap's true length is at least how long that was within it, and at least the stop's.
# It may be longer by the times of the other threads (n beyond CPU... too): one that lost its CPU with
# the emulator's lock on the clock holds up all who read it. "own-thread" counts those that are right without that,
# "as-asked" those that are right by the times of the injecting commands alone.
# Names are counted for gaps of which the injected is at least half: another may have a larger share.
# A TRUTH of one number in each line has instants instead, CLOCK_MONOTONIC in ns, as hwlat-kmsg.pl
# writes them: the sample around each of them is its own; how long it was is not known.
# Events are grouped by rtkvm hwlat only: where SPIKES has lines of others, "as-one" is not told.
# --other-clock: the two were written on machines whose clocks differ by a constant and drift.
use strict;
use warnings;

my $other_clock = @ARGV && $ARGV[0] eq '--other-clock' && shift;
my ($truth, $spikes, $abs_ms, $percent, @cpus) = @ARGV;
my (@gaps, @stops, @off, @errors, @asked, %kinds);
my $groups_told = @cpus > 1;
my ($found, $fit, $fit_own, $fit_asked, $grouped, $shared) = (0, 0, 0, 0, 0, 0);

sub value { my ($line, $key) = @_; return $line =~ /"$key":"?([^",}]*)/ ? $1 : undef }

# "thread rthog", "irq 1 i8042", "nmi": what tells one injected cause from another.
sub name_of {
	my ($line) = @_;
	my ($kind, $detail) = (value($line, 'kind'), value($line, 'detail') // '');
	$detail =~ s/:.*//;
	return $kind =~ /^(thread|irq|softirq)$/ ? "$kind $detail" : $kind;
}

open(my $in, '<', $spikes) or die "$spikes: $!\n";
while (my $line = <$in>) {
	my ($start, $ns) = (value($line, 'mono_ns'), value($line, 'latency_ns'));
	$groups_told = 0 if (value($line, 'instrument') // '') ne 'hwlat';
	push @gaps, { cpu => value($line, 'cpu'), start => $start, end => $start + $ns, ns => $ns,
		      name => name_of($line), explained => value($line, 'explained_ns') // 0,
		       group => value($line, 'group') // 0 };
}
close($in);
open($in, '<', $truth) or die "$truth: $!\n";
while (<$in>) {
	my @words = split;
	if ($words[0] eq 'off') {
		push @{$off[$words[1]]}, [@words[2, 3]];
	} else {
		push @stops, \@words;
	}
}
close($in);

# Every thread was seen stopped from the second time of a stop to the third, whatever a trace missed.
for my $t (grep { @$_ > 1 } @stops) {
	for my $list (@off) {
		push @$list, [@$t[1, 2]] if !grep { $_->[0] <= $t->[1] && $_->[1] >= $t->[2] } @$list;
	}
}

sub smaller { my ($x, $y) = @_; return $x < $y ? $x : $y }
sub larger { my ($x, $y) = @_; return $x > $y ? $x : $y }
sub overlap { my ($from, $to, $start, $end) = @_; return larger(0, smaller($to, $end) - larger($from, $start)) }
sub right { my ($off, $length) = @_; return abs($off) <= larger($abs_ms * 1e6, $length * $percent / 100) }

# The longest gap of this CPU that overlaps [start, end]. Those of one CPU follow each other.
my %of_cpu;
push @{$of_cpu{$_->{cpu}}}, $_ for sort { $a->{start} <=> $b->{start} } @gaps;

sub find {
	my ($cpu, $start, $end) = @_;
	my $list = $of_cpu{$cpu} // [];
	my ($low, $high, $best) = (0, scalar @$list, undef);
	while ($low < $high) {
		my $middle = ($low + $high) >> 1;
		$list->[$middle]{end} < $start ? ($low = $middle + 1) : ($high = $middle);
	}
	for (; $low < @$list && $list->[$low]{start} <= $end; $low++) {
		$best = $list->[$low] if !$best || $list->[$low]{ns} > $best->{ns};
	}
	return $best;
}

# The offset under which most of the first stops have a gap of their length, found by trying to put
# each of them on each gap. Chance matches are few: the stops come at random times.
sub first_offset {
	my ($best, $most) = (0, -1);
	my @first = @stops[0 .. ($#stops < 14 ? $#stops : 14)];
	for my $g (grep { $_->{cpu} == $cpus[0] && $_->{ns} > 5e6 } @gaps) {
		for my $t (@first[0 .. ($#first < 2 ? $#first : 2)]) {
			my $offset = $g->{end} - $t->[3]; # the end of a stop is known best
			my $n = grep {
				my $h = find($cpus[0], $_->[1] + $offset, $_->[2] + $offset);
				$h && $h->{ns} > ($_->[2] - $_->[1]) * 0.8 && $h->{ns} < ($_->[3] - $_->[0]) * 1.5
			} @first;
			($best, $most) = ($offset, $n) if $n > $most;
		}
	}
	return $best;
}

# How each instant was named: "injected N samples M"; one shorter than the threshold is no sample. The
# clocks of a log and of a sample may differ a little.
sub instants {
	my ($cpu, $samples) = ($cpus[0], 0);
	for my $t (map { $_->[0] } @stops) {
		my $g = find($cpu, $t, $t) // find($cpu, $t - 3e5, $t + 3e5) // next;
		$samples++;
		$kinds{$g->{name}}++;
	}
	print STDERR "named: ", join(', ', map { "$_: $kinds{$_}" } sort keys %kinds), "\n";
	print "injected ", scalar @stops, " samples $samples\n";
	exit 0;
}
instants() if @stops && @{$stops[0]} == 1;

# Clocks drift. Where it is known when a thread had no CPU for a stop, its gap began no later and ended
# no earlier: the difference of the clocks lies between. Of a few stops around, the narrowest tells.
my $offset = $other_clock ? first_offset() : 0;
my @offsets = $other_clock && $off[0] ? offsets() : ();

sub offsets {
	my (@each, @best);
	my $now = $offset;
	for my $t (@stops) {
		my ($o) = grep { $_->[0] <= $t->[1] && $_->[1] >= $t->[2] } @{$off[0]};
		my $g = $o && find($cpus[0], $t->[1] + $now, $t->[2] + $now);
		my ($from, $to) = $g ? ($g->{start} - $o->[0], $g->{end} - $o->[1]) : (0, 1e12);
		$now = ($from + $to) / 2 if $to - $from < 1e6;
		push @each, [$to - $from, ($from + $to) / 2];
	}
	for my $i (0 .. $#each) {
		my ($best) = sort { $a->[0] <=> $b->[0] } @each[larger(0, $i - 3) .. smaller($#each, $i + 3)];
		push @best, $best->[0] < 1e9 ? $best->[1] : $offset;
	}
	return @best;
}

# How long within a gap one of the threads in these lists at least was not on a CPU.
sub away {
	my ($g, @lists) = @_;
	my ($sum, $upto) = (0, $g->{start});
	my ($start, $end) = ($g->{start} - $offset, $g->{end} - $offset);
	my @within = grep { $_->[1] > $start && $_->[0] < $end } map { @$_ } @lists;
	for my $o (sort { $a->[0] <=> $b->[0] } @within) {
		my ($from, $to) = (larger($o->[0] + $offset, $upto), smaller($o->[1] + $offset, $g->{end}));
		next if $to <= $from;
		$sum += $to - $from;
		$upto = $to;
	}
	return $sum;
}

sub beyond { my ($ns, $least, $most) = @_; return $ns > $most ? $ns - $most : $ns < $least ? $ns - $least : 0 }

my $number = 0;
for my $t (@stops) {
	my ($least, $most) = ($t->[2] - $t->[1], $t->[3] - $t->[0]);
	my ($all, $good, $good_own, $good_asked, %groups) = (1, 1, 1, 1);
	my ($start, $end) = $other_clock ? ($t->[1], $t->[2]) : ($t->[0], $t->[3]);
	$offset = $offsets[$number++] // $offset;
	for my $i (0 .. $#cpus) {
		my $cpu = $cpus[$i];
		my $g = find($cpu, $start + $offset, $end + $offset);
		if (!$g || $g->{ns} < $least / 2) {
			printf STDERR "stop %d of %.3f ms not found on CPU %d\n", $number, $least / 1e6, $cpu;
			$all = 0;
			next;
		}
		my $asked = beyond($g->{ns}, $least, $most);
		my $away = $off[$i] ? larger($least, away($g, $off[$i])) : $least;
		my $error = $off[$i] ? beyond($g->{ns}, $away, larger($away, away($g, @off))) : $asked;
		my $covered = overlap($t->[0] + $offset, $t->[3] + $offset, $g->{start}, $g->{end});
		$g->{stop} = $number;
		push @errors, $error;
		push @asked, $asked;
		$covered * 2 < $g->{ns} ? $shared++ : $kinds{$g->{name}}++;
		$groups{$g->{group}} = 1;
		$offset = $g->{end} - $t->[3]
			if $other_clock && !@offsets && $asked == 0 && $t->[3] - $t->[2] < 1e6;
		$good_asked &&= right($asked, $least);
		$good_own &&= right($g->{ns} - $away, $away);
		next if right($error, $away);
		printf STDERR "stop %d of %.3f ms is %.3f ms off on CPU %d: %.3f ms, by the commands %.3f ms off, "
			. "its kernel worked %.3f ms\n", $number, $least / 1e6, $error / 1e6, $cpu,
			$g->{ns} / 1e6, $asked / 1e6, $g->{explained} / 1e6;
		$good = 0;
	}
	$found += $all;
	$fit += $all && $good;
	$fit_own += $all && $good_own;
	$fit_asked += $all && $good_asked;
	my $one = $all && keys(%groups) == 1 && !exists $groups{0};
	print STDERR "stop $number is not one event\n" if $all && $groups_told && !$one;
	$grouped += $one;
}

sub spread {
	my ($what, @e) = @_;
	@e = sort { $a <=> $b } @e;
	printf STDERR "$what: min %.3f median %.3f max %.3f\n", $e[0] / 1e6, $e[@e / 2] / 1e6,
		$e[-1] / 1e6 if @e;
}
spread('length errors ms', @errors);
spread('by the times of the commands', @asked) if @off;
print STDERR "named: ", join(', ', map { "$_: $kinds{$_}" } sort keys %kinds), "\n";
print STDERR "not counted there, as the injected is less than half of the gap: $shared\n" if $shared;
my @noise = sort { $a <=> $b } map { $_->{ns} } grep { !$_->{stop} } @gaps;
printf STDERR "other samples: %d, median %.3f ms, longest %.3f ms\n", scalar @noise,
	$noise[@noise / 2] / 1e6, $noise[-1] / 1e6 if @noise;
print "stops ", scalar @stops, " found $found in-length $fit", $groups_told ? " as-one $grouped" : '',
	@off ? " own-thread $fit_own as-asked $fit_asked" : '', "\n";
