# SPDX-License-Identifier: GPL-2.0-only
# With -s campaign.json of campaigns of one phase, --slurpfile hits [{kind, campaign, attempt, measured_ns}]
# (campaign: the how manieth, from 1) and --argjson asked_ns: a line for each kind of hit
# - completed: the phase is done, and the attempt that was hit ended as such a hit lets it: lost with the
#   campaign, broken with its instrument; a load's end, or a full disk, may also come to its end
# - accounted: what had been measured at the hit was not asked of the next attempt again
# With --argjson bad true a line for each hit that is not both: campaign, attempt, and what is known of it.
def ends: {
	"campaign killed": ["lost"],
	"load killed": ["whole", "broken", "lost"],
	"disk full": ["whole", "broken", "lost", "stopped"]
};
. as $campaigns |
[$hits[] | . as $hit |
	$campaigns[.campaign - 1].phases[0] as $phase |
	([$phase.attempts[] | select(.number == $hit.attempt)][0]) as $this |
	([$phase.attempts[] | select(.number == $hit.attempt + 1)][0]) as $next |
	$hit + {
		completed: ($phase.status == "done" and $this != null and
			($this.status | IN((ends[$hit.kind] // ["broken", "lost"])[]))),
		accounted: ($next == null or $next.jobs[0].asked_ns <= $asked_ns - $hit.measured_ns + 10000000),
		phase: $phase.status, this: $this, next_asked_ns: $next.jobs[0].asked_ns
	}] as $all |
if $bad then
	$all[] | select(.completed and .accounted | not) | [.campaign, .attempt, tojson]
else
	["kind", "n", "completed", "accounted"],
	($all | group_by(.kind)[] | [.[0].kind, length, (map(select(.completed)) | length),
		(map(select(.accounted)) | length)]),
	["all", ($all | length), ($all | map(select(.completed)) | length),
		($all | map(select(.accounted)) | length)]
end | join("\t")
