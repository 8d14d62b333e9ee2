# SPDX-License-Identifier: GPL-2.0-only
# The generator of synthetic traces: for unit tests, and as a program for e2e tests and the bench.
GEN	:= $(B)/tests/gen/ring.o $(patsubst %.c,$(B)/%.o,$(wildcard tests/gen/sim*.c))

$(patsubst %,$(B)/tests/unit/%,dat guest paint): $(GEN)

$(B)/tests/gen/tracegen: $(B)/tests/gen/tracegen.o $(GEN) $(B)/parts.a
	$(call say,LINK,$@)
	$(CC) $(ALLCF) -o $@ $(filter %.o,$^) $(B)/parts.a $(LIBS)

# it also runs in guests, which have no libraries of ours
$(B)/tests/tools/inject: LIBS = -static

tool-programs: $(B)/tests/gen/tracegen

-include $(GEN:.o=.d) $(B)/tests/gen/tracegen.d
