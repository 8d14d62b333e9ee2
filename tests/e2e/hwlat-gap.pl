#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# hwlat-gap.pl SPIKES GAP_JSON CPU - what rtkvm bench gap saw on CPU, as lines of spikes.jsonl, after those of
# rtkvm hwlat (SPIKES, of the same time on another CPU), so that hwlat-match.pl can take the two together
# The time-stamp counter, which both of them tell, is what puts them on one clock.
use strict;
use warnings;

my ($spikes, $json, $cpu) = @ARGV;

open(my $in, '<', $json) or die "$json: $!\n";
my $text = do { local $/; <$in> };
my ($hz) = $text =~ /"tsc_hz": *(\d+)/ or die "$json: no tsc_hz\n";
open($in, '<', $spikes) or die "$spikes: $!\n";
my @lines = <$in> or die "$spikes: empty\n";
my ($tsc0, $start0) = map { $lines[@lines / 2] =~ /"$_":(\d+)/ } qw(tsc mono_ns);
print @lines;
while ($text =~ /\{([^{}]*"length_ns"[^{}]*)\}/g) {
	my ($ns, $tsc) = map { $1 =~ /"$_": *(\d+)/ } qw(length_ns tsc);
	printf "{\"instrument\":\"gap\",\"cpu\":%d,\"mono_ns\":%d,\"latency_ns\":%d,\"kind\":\"gap\"}\n",
		$cpu, $start0 + int(($tsc - $tsc0) * 1e9 / $hz), $ns;
}
