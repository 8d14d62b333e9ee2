#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-match.pl [--other-clock] TRUTH SPIKES ABS_MS PERCENT CPU...
# Hold spikes.jsonl against what was injected. TRUTH: lines of hwlat-stops.pl. Prints how many stops
# there were, how many were found on every CPU, how many of these at their length (within ABS_MS or
# PERCENT of what is known of it), how many as one event; on stderr each miss, the errors, the names
# given, and what else was found (the noise beside them).
# Where TRUTH tells how long each CPU's thread waited to run again, those within the same bounds of
# stop and wait are counted too: the rest of the errors are ours.
# A TRUTH of one number in each line has instants instead, CLOCK_MONOTONIC in ns, as hwlat-kmsg.pl
# writes them: the sample around each of them is its own; how long it was is not known.
# --other-clock: the two were written on machines whose clocks differ by a constant and drift.
use strict;
use warnings;

my $other_clock = @ARGV && $ARGV[0] eq '--other-clock' && shift;
my ($truth, $spikes, $abs_ms, $percent, @cpus) = @ARGV;
my (@gaps, @stops, @errors, @ours, %kinds);
my ($found, $fit, $fit_waits, $grouped) = (0, 0, 0, 0);

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
	my ($end, $ns) = (value($line, 'wall_ns'), value($line, 'latency_ns'));
	push @gaps, { mono => value($line, 'mono_ns'), cpu => value($line, 'cpu'), start => $end - $ns, end => $end, ns => $ns,
		      name => name_of($line), explained => value($line, 'explained_ns') // 0,
		       group => value($line, 'group') // 0 };
}
close($in);
open($in, '<', $truth) or die "$truth: $!\n";
push @stops, [split] while <$in>;
close($in);

# The longest gap of this CPU that overlaps [start, end].
sub find {
	my ($cpu, $start, $end) = @_;
	my $best;
	for my $g (@gaps) {
		next if $g->{cpu} != $cpu || $g->{end} < $start || $g->{start} > $end;
		$best = $g if !$best || $g->{ns} > $best->{ns};
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

# How each instant was named: "injected N samples M"; one shorter than the threshold is no sample.
sub instants {
	my ($cpu, $samples) = ($cpus[0], 0);
	for my $t (map { $_->[0] } @stops) {
		my ($g) = sort { $b->{ns} <=> $a->{ns} } grep { $_->{cpu} == $cpu
			&& $_->{mono} < $t + 3e5 && $_->{mono} + $_->{ns} > $t - 3e5 } @gaps;
		next if !$g;
		$samples++;
		$kinds{$g->{name}}++;
	}
	print STDERR "named: ", join(', ', map { "$_: $kinds{$_}" } sort keys %kinds), "\n";
	print "injected ", scalar @stops, " samples $samples\n";
	exit 0;
}
instants() if @stops && @{$stops[0]} == 1;

my $offset = $other_clock ? first_offset() : 0;
my $number = 0;
for my $t (@stops) {
	my ($least, $most) = ($t->[2] - $t->[1], $t->[3] - $t->[0]);
	my ($all, $good, $good_waits, %groups) = (1, 1, 1);
	my ($start, $end) = $other_clock ? ($t->[1], $t->[2]) : ($t->[0], $t->[3]);
	$number++;
	for my $i (0 .. $#cpus) {
		my $cpu = $cpus[$i];
		my $waited = $t->[4 + $i] // 0;
		my $g = find($cpu, $start + $offset, $end + $offset);
		if (!$g || $g->{ns} < $least / 2) {
			printf STDERR "stop %d of %.3f ms not found on CPU %d\n", $number, $least / 1e6, $cpu;
			$all = 0;
			next;
		}
		my $off = $g->{ns} > $most ? $g->{ns} - $most : $g->{ns} < $least ? $g->{ns} - $least : 0;
		my $allowed = $abs_ms * 1e6 > $least * $percent / 100 ? $abs_ms * 1e6 : $least * $percent / 100;
		my $own = $off > 0 ? ($off > $waited ? $off - $waited : 0) : $off;
		$g->{stop} = $number;
		push @errors, $off;
		push @ours, $own;
		$kinds{$g->{name}}++;
		$groups{$g->{group}} = 1;
		# clocks drift; only an end that is known well tells by how much
		$offset = $g->{end} - $t->[3] if $other_clock && $off == 0 && $t->[3] - $t->[2] < 1e6;
		if (abs($off) > $allowed) {
			printf STDERR "stop %d of %.3f ms is %.3f ms off on CPU %d; its thread waited %.3f ms for a "
				. "CPU, its kernel then worked %.3f ms\n", $number, $least / 1e6, $off / 1e6, $cpu,
				$waited / 1e6, $g->{explained} / 1e6;
			$good = 0;
			$good_waits = 0 if abs($own) > $allowed;
		}
	}
	$found += $all;
	$fit += $all && $good;
	$fit_waits += $all && $good_waits;
	$grouped += $all && keys(%groups) == 1 && !exists $groups{0};
}

sub spread {
	my ($what, @e) = @_;
	@e = sort { $a <=> $b } @e;
	printf STDERR "$what: min %.3f median %.3f max %.3f\n", $e[0] / 1e6, $e[@e / 2] / 1e6,
		$e[-1] / 1e6 if @e;
}
spread('length errors ms', @errors);
my $waits = @stops && @{$stops[0]} > 4;
spread('of these without what the stopped threads waited for a CPU', @ours) if $waits;
print STDERR "named: ", join(', ', map { "$_: $kinds{$_}" } sort keys %kinds), "\n";
my @noise = sort { $a <=> $b } map { $_->{ns} } grep { !$_->{stop} } @gaps;
printf STDERR "other samples: %d, median %.3f ms, longest %.3f ms\n", scalar @noise,
	$noise[@noise / 2] / 1e6, $noise[-1] / 1e6 if @noise;
print "stops ", scalar @stops, " found $found in-length $fit", @cpus > 1 ? " as-one $grouped" : '',
	$waits ? " in-length-with-waits $fit_waits" : '', "\n";
