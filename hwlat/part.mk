# SPDX-License-Identifier: GPL-2.0-only
# rtkvm hwlat as a program for guests (hwlat/guest/main.c): static, of the same sources.
guest-hwlat	:= $(wildcard hwlat/guest/*.c hwlat/*.c) \
		   $(patsubst %,results/%.c,hist host judge log_write run) \
		   $(wildcard lib/*.c)

all: $(B)/guests/hwlat

$(B)/guests/hwlat: $(guest-hwlat) hwlat/part.mk $(wildcard hwlat/*.h results/*.h lib/*.h) VERSION
	@mkdir -p $(@D)
	$(CC) $(GUEST_CF) -DRTKVM_VERSION='"$(VERSION)"' $(PKG_CF) -pthread -ffunction-sections \
		-Wl,--gc-sections,--wrap=dlopen -s -o $@ $(guest-hwlat) \
		$(shell pkg-config --static --libs libtracefs libtraceevent json-c) -lz -lm
