# SPDX-License-Identifier: GPL-2.0-only
# The tuned profiles, beside the program: rtkvm tune install takes them from there.
profile-files := $(wildcard profiles/realtime-virtual-*/*)

all: $(profile-files:%=$(B)/%)

$(profile-files:%=$(B)/%): $(B)/%: %
	@mkdir -p $(@D)
	cp $< $@
