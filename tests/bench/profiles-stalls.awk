# SPDX-License-Identifier: GPL-2.0-only
# profiles-stalls.awk FILE - the stalls that guests measured in rounds, with and without our profile
#
# A line of FILE: WORK GUEST TIMERS OVER-1-MS OVER-5-MS LONGEST-US. Other work goes on all the time;
# WORK is "without" or "with" the profile, or what the profile is put through. One longest stall says
# little on an emulated host: the last column compares each round with each round without what goes on
# in it (50 % would be no difference at all).
{
	key = $2 SUBSEP $1
	if (!(key in rounds))
		order[++kinds] = key
	longest[key, ++rounds[key]] = $6
	timers[key] += $3
	over1[key] += $4
	over5[key] += $5
}

function sort_rounds(key, i, k, swap) {
	for (i = 2; i <= rounds[key]; i++)
		for (k = i; k > 1 && longest[key, k] < longest[key, k - 1]; k--) {
			swap = longest[key, k]
			longest[key, k] = longest[key, k - 1]
			longest[key, k - 1] = swap
		}
}

function longer_percent(key, base, i, k, n) {
	for (i = 1; i <= rounds[key]; i++)
		for (k = 1; k <= rounds[base]; k++)
			n += (longest[key, i] > longest[base, k]) + (longest[key, i] >= longest[base, k])
	return 100 * n / (2 * rounds[key] * rounds[base])
}

END {
	printf "%-6s %-30s %6s %8s %12s %12s %10s %10s %8s\n", "guest", "profile", "rounds",
		"timers", ">1 ms/1000", ">5 ms/1000", "median us", "longest", "longer"
	for (g = 1; g <= 2; g++)
		for (i = 1; i <= kinds; i++) {
			key = order[i]
			split(key, part, SUBSEP)
			base = part[1] SUBSEP (part[2] == "applying" ? "without" : "with")
			if (part[1] != (g == 1 ? "rtkvm" : "QEMU") || !(base in rounds))
				continue
			sort_rounds(key)
			gsub(/_/, " ", part[2])
			printf "%-6s %-30s %6d %8d %12.2f %12.2f %10d %10d", part[1], part[2],
				rounds[key], timers[key], 1000 * over1[key] / timers[key],
				1000 * over5[key] / timers[key],
				longest[key, int((rounds[key] + 1) / 2)], longest[key, rounds[key]]
			if (key == base || part[2] == "without")
				print ""
			else
				printf " %6.0f %%\n", longer_percent(key, base)
		}
}
