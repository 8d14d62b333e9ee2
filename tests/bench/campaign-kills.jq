# SPDX-License-Identifier: GPL-2.0-only
# campaign.json of a campaign of one phase, with --slurpfile hits [{kind, attempt, measured_ns}] and
# --argjson asked_ns: a line for each kind of hit
# - completed: the attempt that was hit is closed, and the phase done
# - accounted: what had been measured at the hit was not asked of the next attempt again
.phases[0] as $phase |
[$hits[] | . as $hit |
	([$phase.attempts[] | select(.number == $hit.attempt)][0]) as $this |
	([$phase.attempts[] | select(.number == $hit.attempt + 1)][0]) as $next |
	$hit + {
		completed: ($phase.status == "done" and $this.status != "running"),
		accounted: ($next == null or $next.jobs[0].asked_ns <= $asked_ns - $hit.measured_ns + 10000000)
	}] as $all |
(["kind", "n", "completed", "accounted"],
	($all | group_by(.kind)[] | [.[0].kind, length, (map(select(.completed)) | length),
		(map(select(.accounted)) | length)]),
	["all", ($all | length), ($all | map(select(.completed)) | length),
		($all | map(select(.accounted)) | length)]) | @tsv
