# SPDX-License-Identifier: GPL-2.0-only
# profiles-stalls.awk FILE - the stalls that guests measured in rounds, with and without our profile
#
# A line of FILE: WORK GUEST TIMERS OVER-1-MS OVER-5-MS LONGEST-US, a round of 2 s. Other work goes on
# all the time; WORK is "without" or "with" the profile, or what the profile is put through. One
# longest stall says little on an emulated host: the longest of each round are compared by rank with
# those of the rounds in which nothing of it goes on (Mann-Whitney, one-sided, p by permutation), and
# the difference of the medians of all pairs (Hodges-Lehmann) comes with its 95 % interval.
{
	key = $2 SUBSEP $1
	if (!(key in rounds))
		order[++kinds] = key
	longest[key, ++rounds[key]] = $6
	timers[key] += $3
	over1[key] += $4
	over5[key] += $5
}

function sort_array(v, n, i, k, swap) {
	for (i = 2; i <= n; i++) {
		swap = v[i]
		for (k = i; k > 1 && v[k - 1] > swap; k--)
			v[k] = v[k - 1]
		v[k] = swap
	}
}

# The quantile q in v, sorted
function quantile(v, n, q, i) {
	i = int(q * (n - 1) + 1.5)
	return v[i]
}

# Ranks of a round's longest among those of both kinds, ties shared, to rank[1..n]; the key's first
function rank_both(key, base, rank, n, i, k, v, less, same) {
	n = 0
	for (i = 1; i <= rounds[key]; i++)
		v[++n] = longest[key, i]
	for (i = 1; i <= rounds[base]; i++)
		v[++n] = longest[base, i]
	for (i = 1; i <= n; i++) {
		less = same = 0
		for (k = 1; k <= n; k++) {
			less += v[k] < v[i]
			same += v[k] == v[i]
		}
		rank[i] = less + (same + 1) / 2
	}
	return n
}

# How often chance alone puts the key's rounds as high as they are
function p_longer(key, base, rank, n, m, i, k, seen, sum, swap, as_high) {
	n = rank_both(key, base, rank)
	m = rounds[key]
	for (i = 1; i <= m; i++)
		seen += rank[i]
	srand(1)
	for (shuffles = 1; shuffles <= 10000; shuffles++) {
		sum = 0
		for (i = 1; i <= m; i++) {
			k = i + int(rand() * (n - i + 1))
			swap = rank[i]
			rank[i] = rank[k]
			rank[k] = swap
			sum += rank[i]
		}
		as_high += sum >= seen - 0.001
	}
	return (as_high + 1) / 10001
}

# shift, low, high: how much longer the key's are, in us
function compare(key, base, i, k, n, d, width) {
	for (i = 1; i <= rounds[key]; i++)
		for (k = 1; k <= rounds[base]; k++)
			d[++n] = longest[key, i] - longest[base, k]
	sort_array(d, n)
	shift = quantile(d, n, 0.5)
	width = 1.96 * sqrt(n * (rounds[key] + rounds[base] + 1) / 12)
	k = int(n / 2 - width)
	low = d[k < 1 ? 1 : k]
	high = d[k < 1 ? n : n + 1 - k]
}

function describe(key, n, i, v) {
	n = rounds[key]
	for (i = 1; i <= n; i++)
		v[i] = longest[key, i]
	sort_array(v, n)
	printf " %6d %7d %9.1f %9.1f %8.1f %8.1f %8.1f %8.1f", n, timers[key],
		1000 * over1[key] / timers[key], 1000 * over5[key] / timers[key],
		quantile(v, n, 0.25) / 1000, quantile(v, n, 0.5) / 1000,
		quantile(v, n, 0.75) / 1000, v[n] / 1000
}

END {
	print "stalls that two guests measured, rounds of 2 s; longest of each round in ms"
	printf "%-6s %-29s %6s %7s %9s %9s %8s %8s %8s %8s\n", "guest", "profile", "rounds",
		"timers", ">1ms/1000", ">5ms/1000", "quarter", "median", "3 of 4", "longest"
	for (g = 1; g <= 2; g++)
		for (i = 1; i <= kinds; i++) {
			key = order[i]
			split(key, part, SUBSEP)
			if (part[1] != (g == 1 ? "rtkvm" : "QEMU"))
				continue
			gsub(/_/, " ", part[2])
			printf "%-6s %-29s", part[1], part[2]
			describe(key)
			print ""
		}
	for (g = 1; g <= 2; g++)
		for (i = 1; i <= kinds; i++) {
			key = order[i]
			split(key, part, SUBSEP)
			if (part[1] != (g == 1 ? "rtkvm" : "QEMU") || part[2] ~ /^with(out)?$/)
				continue
			other = part[2] == "applying" ? "without" : "with"
			base = part[1] SUBSEP other
			if (!(base in rounds))
				continue
			compare(key, base)
			p = p_longer(key, base)
			gsub(/_/, " ", part[2])
			printf "%s, %s: %s than %s it (longer by %.1f ms, 95 %%: %.1f to %.1f; p %.3f)\n",
				part[1], part[2], p < 0.01 ? "LONGER stalls" : "stalls no longer",
				other, shift / 1000, low / 1000, high / 1000, p
		}
}
