#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-match.pl TRUTH SPIKES ABS_MS PERCENT CPU... - hold spikes.jsonl against what was injected
# TRUTH: lines of hwlat-stops.pl. Prints how many stops there were, how many were found on every
# CPU, how many of these at their length (within ABS_MS or PERCENT of what is known of it), and on
# stderr each miss and the distribution of the errors.
use strict;
use warnings;

my ($truth, $spikes, $abs_ms, $percent, @cpus) = @ARGV;
my (@gaps, @errors, %kinds);
my ($stops, $found, $fit, $grouped) = (0, 0, 0, 0);

sub value { my ($line, $key) = @_; return $line =~ /"$key":"?([^",}]*)/ ? $1 : undef }

open(my $in, '<', $spikes) or die "$spikes: $!\n";
while (my $line = <$in>) {
	my $end = value($line, 'wall_ns');
	push @gaps, { cpu => value($line, 'cpu'), end => $end, ns => value($line, 'latency_ns'),
		      start => $end - value($line, 'latency_ns'), kind => value($line, 'kind'),
		      group => value($line, 'group') // 0 };
}
close($in);

# The longest gap of this CPU that overlaps the stop.
sub find {
	my ($cpu, @t) = @_;
	my $best;
	for my $g (@gaps) {
		next if $g->{cpu} != $cpu || $g->{end} < $t[0] || $g->{start} > $t[3];
		$best = $g if !$best || $g->{ns} > $best->{ns};
	}
	return $best;
}

open($in, '<', $truth) or die "$truth: $!\n";
while (my $line = <$in>) {
	my @t = split ' ', $line;
	my ($least, $most) = ($t[2] - $t[1], $t[3] - $t[0]);
	my ($all, $good, %groups) = (1, 1);
	$stops++;
	for my $cpu (@cpus) {
		my $g = find($cpu, @t);
		if (!$g || $g->{ns} < $least / 2) {
			warn "stop $stops of ", $least / 1e6, " ms not found on CPU $cpu\n";
			$all = 0;
			next;
		}
		my $off = $g->{ns} > $most ? $g->{ns} - $most : $g->{ns} < $least ? $g->{ns} - $least : 0;
		my $allowed = $abs_ms * 1e6 > $least * $percent / 100 ? $abs_ms * 1e6 : $least * $percent / 100;
		push @errors, $off;
		$kinds{$g->{kind}}++;
		$groups{$g->{group}} = 1;
		if (abs($off) > $allowed) {
			warn "stop $stops of ", $least / 1e6, " ms is ", $off / 1e6, " ms off on CPU $cpu\n";
			$good = 0;
		}
	}
	$found += $all;
	$fit += $all && $good;
	$grouped += $all && keys(%groups) == 1 && !exists $groups{0};
}
close($in);

@errors = sort { $a <=> $b } @errors;
printf STDERR "length errors ms: min %.3f median %.3f max %.3f\n", $errors[0] / 1e6,
	$errors[@errors / 2] / 1e6, $errors[-1] / 1e6 if @errors;
print STDERR "named: ", join(', ', map { "$_ $kinds{$_}" } sort keys %kinds), "\n";
print "stops $stops found $found in-length $fit", @cpus > 1 ? " as-one $grouped" : '', "\n";
