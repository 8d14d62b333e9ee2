#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
# readlog LOG - a second reader of latency.log, written from docs/latency-log.md alone
# prints "instrument cpu samples min max sum bins-sum low-end-of-the-last-bin" for each series
use strict;
use warnings;

sub crc32 {
	my ($data) = @_;
	my $crc = 0xffffffff;
	for my $byte (unpack 'C*', $data) {
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0xedb88320 : $crc >> 1 for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

sub varint {
	my ($bytes) = @_;
	my ($v, $shift) = (0, 0);
	while (1) {
		my $b = shift @$bytes;
		$v |= ($b & 0x7f) << $shift;
		return $v unless $b & 0x80;
		$shift += 7;
	}
}

# small numbers of either sign: 0, 1, 2, 3 stand for 0, -1, 1, -2
sub signed {
	my $v = varint(@_);
	return $v & 1 ? -($v >> 1) - 1 : $v >> 1;
}

sub low_end {
	my ($i) = @_;
	return $i < 64 ? $i : (64 + $i % 64) << (int($i / 64) - 1);
}

open my $f, '<:raw', $ARGV[0] or die "$ARGV[0]: $!\n";
my $log = do { local $/; <$f> };
my ($at, %series, $ended) = (0);
while (($at = index $log, 'RTKVMLOG', $at) >= 0) {
	my ($version, $type, $len, $crc) = unpack 'x8 v v V V', substr $log, $at, 40;
	my $record = substr $log, $at, 40 + $len;
	substr($record, 16, 4) = "\0" x 4 if length $record >= 40;
	if (length $record != 40 + $len || crc32($record) != $crc || $version > 2) {
		$at++;
		next;
	}
	$at += 40 + $len;
	$ended = 1 if $type == 3;
	next unless $type == 1;
	my $payload = substr $record, 40;
	my ($instrument, $cpu, $n, $sum, $min, $max, $bins, @rest);
	if ($version == 1) {
		my @f = unpack 'Z24 l< l< Q<5 V V Q<9', $payload;
		($instrument, $cpu, $bins, $n, $sum, $min, $max) = @f[0, 1, 9, 10, 11, 13, 14];
		my $counters = grep { $f[8] >> $_ & 1 } 0 .. 31;
		@rest = unpack 'C*', substr $payload, 144 + 8 * $counters;
	} else {
		@rest = unpack 'C*', $payload;
		$instrument = join '', map { chr shift @rest } 1 .. varint(\@rest);
		$cpu = signed(\@rest);
		signed(\@rest);                    # host CPU
		varint(\@rest) for 1 .. 4;         # start twice, duration, interval
		signed(\@rest);                    # when the largest came
		$n = varint(\@rest);
		$sum = varint(\@rest);
		varint(\@rest);                    # high half of the sum
		$min = varint(\@rest);
		$max = varint(\@rest);
		varint(\@rest) for 1 .. 3;         # over, over from, resolution
		my $known = varint(\@rest);
		signed(\@rest) for grep { $known >> $_ & 1 } 0 .. 31;
		$bins = varint(\@rest);
	}
	my $s = $series{"$instrument $cpu"} //= { n => 0, min => $min, max => 0, sum => 0, bins => 0, last => 0 };
	my $index = 0;
	for (1 .. $bins) {
		$index += varint(\@rest);
		$s->{bins} += varint(\@rest);
	}
	die "bytes left over\n" if @rest;
	$s->{last} = low_end($index) if low_end($index) > $s->{last};
	$s->{n} += $n;
	$s->{sum} += $sum;
	$s->{min} = $min if $min < $s->{min};
	$s->{max} = $max if $max > $s->{max};
}
print "$_ @{$series{$_}}{qw(n min max sum bins last)}\n" for sort keys %series;
print "ended\n" if $ended;
