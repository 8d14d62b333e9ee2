#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# trace-score.pl EXPLAINED TRUTH [--guest DATA] [--other-clock STALLS TICKS] --expect N KIND,... - verdicts against
# injections. EXPLAINED: rtkvm trace explain --json. TRUTH: lines of tests/tools/inject, in ticks of the
# trace's clock; DATA: the guest's data stream, or a directory, with such a file; STALLS: the same as TRUTH,
# its ticks off by a constant that TICKS tells (inject stamp).
# An emulated machine that shares its CPUs has late wake-ups of its own, some far longer than what is
# injected: a wake-up is judged when an injection lasted for most of it (MOST), whatever else happened
# meanwhile, and the others are counted. An injection is found when late wake-ups cover at least HALF of
# it. Each KIND must have been injected N times. Prints the confusion matrix; exit code 1 when a goal is
# missed.
use strict;
use warnings;
use JSON::PP;

use constant { MOST => 0.6, HALF => 0.5, FOUND => 90, JUDGED => 80, RIGHT => 95, UNEXPLAINED => 5, CLOCK_NS => 50000 };
my %want = (hog => 'host-thread', irq => 'host-irq', stall => 'hardware', port => 'vmm', pipe => 'vmm', stop => 'vmm',
	ghog => 'guest-thread', goff => 'guest-off', gsoftirq => 'guest-softirq');
my @order = qw(stall hog irq port pipe stop ghog goff gsoftirq);

sub slurp {
	my ($file) = @_;
	local $/;
	open(my $f, '<:raw', $file) or die "$file: $!\n";
	return <$f> // '';
}

my $x = decode_json(slurp(shift));
my $hz = $x->{clock}{hz};
# the measuring thread is the one cyclictest starts last
my ($tid) = sort { $b <=> $a } map { $_->{tid} } @{$x->{threads}};
my @spikes = map { { %$_, end => $_->{trace_ns}, begin => $_->{trace_ns} - $_->{latency_ns} } }
	grep { $_->{tid} == $tid } @{$x->{list}};

my @truth;
my ($times, @kinds) = (0);

# The file "truth" in a directory, or among the frames of a guest's data stream (lib/abi.h).
sub truth_of_guest {
	my ($path) = @_;
	return slurp("$path/truth") if -d $path;
	my $data = slurp($path);
	for (my $at = 0; $at + 64 <= length $data;) {
		my ($magic, $crc, $length, $name) = unpack('V V Q< Z48', substr($data, $at, 64));
		return substr($data, $at + 64, $length) if $name eq 'truth';
		last if $name eq '';
		$at += 64 + $length;
	}
	return '';
}

sub rows {
	my ($text, $name) = @_;
	my @rows;
	for (split /\n/, $text) {
		my ($kind, $begin, $end) = /^(\w+) (\d+) (\d+)$/ or next;
		push @rows, { kind => $name->($kind), begin => $begin * 1e9 / $hz, end => $end * 1e9 / $hz };
	}
	return @rows;
}

sub overlap {
	my ($s, $t) = @_;
	my $from = $s->{begin} > $t->{begin} ? $s->{begin} : $t->{begin};
	my $to = $s->{end} < $t->{end} ? $s->{end} : $t->{end};
	return $to > $from ? $to - $from : 0;
}

# How far the trace's clock is ahead of the other one. Each line of "inject stamp" holds a moment of
# the first and a later one of the second; the least late of them is nearest.
sub ahead {
	my $ahead;
	for (split /\n/, $_[0]) {
		my ($there, $here) = /^TSC (\d+) (\d+)$/ or next;
		$ahead = $there - $here if !defined $ahead || $there - $here > $ahead;
	}
	return $ahead // die "no line tells how the clocks differ\n";
}

while (defined(my $arg = shift)) {
	if ($arg eq '--other-clock') {
		my @rows = rows(slurp(shift), sub { 'stall' });
		my $shift = ahead(slurp(shift)) * 1e9 / $hz;
		push @truth, map { { %$_, begin => $_->{begin} + $shift, end => $_->{end} + $shift } } @rows;
	} elsif ($arg eq '--expect') {
		$times = shift;
		@kinds = split /,/, shift;
	} elsif ($arg eq '--guest') {
		my $ahead = $x->{clock}{offset_ticks} * 1e9 / $hz;
		push @truth, map { { %$_, begin => $_->{begin} - $ahead, end => $_->{end} - $ahead } }
			rows(truth_of_guest(shift),
				sub { $_[0] =~ /^(hog|off|softirq)$/ ? "g$_[0]" : $_[0] });
	} else {
		push @truth, rows(slurp($arg), sub { $_[0] });
	}
}

my %found;
for my $t (@truth) {
	my $covered = 0;
	$covered += overlap($_, $t) for @spikes;
	$found{$t->{kind}}++ if $covered >= HALF * ($t->{end} - $t->{begin});
}

my (%matrix, %count, %judged, %rest, %ns, @wrong);
$count{$_->{kind}}++ for @truth;
for my $s (@spikes) {
	my ($best, $t) = (0, undef);
	for (@truth) { my $o = overlap($s, $_); ($best, $t) = ($o, $_) if $o > $best }
	next if !$t || $best < MOST * $s->{latency_ns};
	next if $t->{done}; # the same injection delays one wake-up; the next are the noise behind it
	$t->{done} = 1;
	my $kind = $t->{kind};
	$judged{$kind}++;
	$matrix{$kind}{$s->{cause}}++;
	push @wrong, [$s, $t, $best] if $s->{cause} ne $want{$kind};
	$ns{$kind} += $s->{latency_ns};
	$rest{$kind} += $_->{ns} for grep { $_->{cause} eq 'unexplained' } @{$s->{parts}};
}

my $bad = 0;
my %expected = map { $_ => 1 } @kinds;
printf "%-9s %8s %7s %7s %6s %12s  %s\n", 'injected', 'times', 'found', 'judged', 'right', 'unexplained', 'verdicts';
for my $kind (grep { $count{$_} || $expected{$_} } @order) {
	my $all = $count{$kind} // 0;
	my $seen = $found{$kind} // 0;
	my $n = $judged{$kind} // 0;
	my $right = $n ? 100 * ($matrix{$kind}{$want{$kind}} // 0) / $n : 0;
	my $rest = $n ? 100 * ($rest{$kind} // 0) / $ns{$kind} : 0;
	my $row = $matrix{$kind} // {};
	printf "%-9s %8d %7d %7d %5.1f%% %11.2f%%  %s\n", $kind, $all, $seen, $n, $right, $rest,
		join(', ', map { "$_ $row->{$_}" } sort { $row->{$b} <=> $row->{$a} } keys %$row);
	$bad = 1 if $all < $times || $seen * 100 < FOUND * $all || $n * 100 < JUDGED * $all;
	$bad = 1 if !$n || $right < RIGHT || $rest > UNEXPLAINED;
}
my $judged = 0;
$judged += $_ for values %judged;
printf "%d late wake-ups, %d of them judged; the others are the emulator's\n", scalar @spikes, $judged;
my $clock = $x->{clock};
my ($off) = sort { $b <=> $a } map { abs($clock->{$_} // 1e18) } qw(error_low_ns error_high_ns);
$bad = 1 if !$clock->{checked_events} || $off > CLOCK_NS;
printf "goal (each %d times, %d %% found, %d %% judged, %d %% of these right, at most %d %% unexplained; clock error %d us): %s\n",
	$times, FOUND, JUDGED, RIGHT, UNEXPLAINED, CLOCK_NS / 1000, $bad ? 'missed' : 'met';
for (@wrong) {
	my ($s, $t, $both) = @$_;
	my @parts = map { sprintf '%s %s %.1f', $_->{cause}, $_->{detail} // '', $_->{ns} / 1e6 }
		grep { $_->{ns} > 1e6 } @{$s->{parts}};
	printf "wrong: %.6f s, %.1f ms late, %.1f of them in the %.1f of %s: %s\n", $s->{trace_ns} / 1e9,
		$s->{latency_ns} / 1e6, $both / 1e6, ($t->{end} - $t->{begin}) / 1e6, $t->{kind},
		join(', ', @parts);
}
exit $bad;
