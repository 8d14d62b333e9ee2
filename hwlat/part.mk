# SPDX-License-Identifier: GPL-2.0-only
# rtkvm hwlat as a program for guests (hwlat/guest/main.c): static, of the same sources. What
# libtraceevent would load at run time is not there, so that the linker's word on it says nothing.
guest-hwlat	:= hwlat/guest/main.c $(wildcard hwlat/*.c) \
		   $(patsubst %,results/%.c,hist host log_write run) \
		   $(wildcard lib/*.c)

all: $(B)/guests/hwlat

$(B)/guests/hwlat: $(guest-hwlat) hwlat/part.mk $(wildcard hwlat/*.h results/*.h lib/*.h) VERSION
	@mkdir -p $(@D)
	$(CC) $(GUEST_CF) -DRTKVM_VERSION='"$(VERSION)"' $(PKG_CF) -pthread -ffunction-sections \
		-Wl,--gc-sections,--no-warnings -s -o $@ $(guest-hwlat) \
		$(shell pkg-config --static --libs libtracefs libtraceevent json-c) -lz -lm
