# SPDX-License-Identifier: GPL-2.0-only
# profiles-counts.awk -v pairs=N - what came to the isolated CPUs, with our profile and stock's
#
# Input: PAIR <tab> ours|stock <tab> ROW <tab> COUNT. A row per kind, a column per boot, the sums, and
# whether ours is fewer. Exits are also put in relation to the guest's own timers: a slow emulated
# guest does less of its work in the same time.
function put(pair, whose, row, n) {
	if (!(row in known)) {
		known[row] = 1
		order[++rows] = row
	}
	count[row, pair, whose] = n
	sum[row, whose] += n
}

function of(row, whose) {
	return sum[row, whose] + 0
}

function verdict(ours, stock) {
	return ours < stock ? "fewer" : ours == stock ? "the same" : "MORE"
}

{ put($1, $2, $3, $4) }

END {
	printf "%-58s", ""
	for (i = 1; i <= pairs; i++)
		printf " %8s %8s", "ours", "stock"
	print "  |     ours    stock"
	for (r = 1; r <= rows; r++) {
		row = order[r]
		printf "%-58s", row
		for (i = 1; i <= pairs; i++)
			printf " %8d %8d", count[row, i, "ours"], count[row, i, "stock"]
		printf "  | %8d %8d", of(row, "ours"), of(row, "stock")
		if (row ~ /: (interrupts of its own|interrupts between its|switches to its|exits)/) {
			print ""
			continue
		}
		print "  " verdict(of(row, "ours"), of(row, "stock"))
		what = row ~ /: switches/ ? "switches" : row ~ /: ticks/ ? "" : "interrupts"
		if (what != "")
			for (w = 1; w <= 2; w++)
				total[what, w] += of(row, w == 1 ? "ours" : "stock")
	}
	print ""
	printf "all phases: interrupts %d with ours, %d with stock: %s\n", total["interrupts", 1],
		total["interrupts", 2], verdict(total["interrupts", 1], total["interrupts", 2])
	printf "all phases: context switches %d with ours, %d with stock: %s\n", total["switches", 1],
		total["switches", 2], verdict(total["switches", 1], total["switches", 2])
	own = "guest: interrupts of its own timers"
	exits = "guest: exits"
	if (of(own, "ours") && of(own, "stock")) {
		a = of(exits, "ours") / of(own, "ours")
		b = of(exits, "stock") / of(own, "stock")
		printf "guest: exits for each of its timer interrupts %.3f with ours, %.3f with stock: %s\n",
			a, b, verdict(a, b)
	}
}
