# SPDX-License-Identifier: GPL-2.0-only
# Programs that run in guests: static, so that they need nothing of the system they wake up in.
GUEST_CF	= -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -I. -static
guest-programs	:= $(B)/guests/init $(B)/guests/lab-agent $(B)/guests/lab-customize

all: $(guest-programs)

$(B)/guests/init: guests/init/init.c lib/abi.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CF) -o $@ $<

$(B)/guests/lab-agent: guests/lab/agent.c guests/lab/job.c guests/lab/agent.h guests/lab/proto.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CF) -o $@ $(filter %.c,$^)

$(B)/guests/lab-customize: guests/lab/customize
	@mkdir -p $(@D)
	cp $< $@

-include guests/flat/flat.mk
