# SPDX-License-Identifier: GPL-2.0-only
# makerun makes run directories for the tests and benchmarks of results/; schema checks run.json
all: $(B)/tests/tools/makerun $(B)/tests/tools/schema

$(B)/tests/tools/%: $(B)/tests/tools/%.o $(OBJS)
	$(CC) $(ALLCF) -o $@ $^ $(LIBS)
