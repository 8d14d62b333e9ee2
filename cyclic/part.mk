# SPDX-License-Identifier: GPL-2.0-only
# The sampler as a program for guests (cyclic/guest/sample.c): static, the same loop and threads.
guest-sample	:= $(patsubst %,cyclic/guest/%.c,sample attend facts load beat port) $(patsubst %,cyclic/%.c,collect factlist loop sampler toolwatch) \
		   results/hist.c results/log_write.c results/log_read.c \
		   $(patsubst %,lib/%.c,clock cpulist err file json stop threads)

all: $(B)/guests/sample

$(B)/guests/sample: $(guest-sample) cyclic/part.mk $(wildcard cyclic/*.h cyclic/guest/*.h results/*.h lib/*.h)
	@mkdir -p $(@D)
	$(CC) $(GUEST_CF) $(PKG_CF) -pthread -ffunction-sections -Wl,--gc-sections -s -o $@ \
		$(guest-sample) -ljson-c -lz
