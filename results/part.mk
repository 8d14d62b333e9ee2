# SPDX-License-Identifier: GPL-2.0-only
# What the tests and benchmarks of results/ need beside the program: makerun makes run directories,
# schema holds run.json against its schema, histbench times the recording of a sample.
all: $(addprefix $(B)/tests/tools/,makerun schema histbench)

$(B)/tests/tools/%: $(B)/tests/tools/%.o $(OBJS)
	$(CC) $(ALLCF) -o $@ $^ $(LIBS)
