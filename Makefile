# SPDX-License-Identifier: GPL-2.0-only
# make            build everything into build/ (SAN=1: with ASan and UBSan, into build/san/)
# make demo       from nothing to the latency report of a real-time guest
# make check      every test;  make bench: the measured goals;  make lint: style and static checks
# Adding a source file edits nothing here.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:

SAN	?=
PREFIX	?= /usr/local
DESTDIR	?=
B	:= $(if $(SAN),build/san,build)
CC	:= gcc
VERSION	:= $(shell cat VERSION)

PARTS	:= lib results vmm guests profiles hwlat cyclic tracing
PKGS	:= libtracefs libtraceevent json-c gsl sqlite3 libseccomp inih zlib libzstd expat
WARN	:= -Wall -Wextra -Werror -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes \
	   -Wno-missing-field-initializers
CFLAGS	?= -O2 -g
ALLCF	:= -std=gnu17 $(CFLAGS) $(WARN) -D_GNU_SOURCE -DRTKVM_VERSION='"$(VERSION)"' -I. -I$(B) \
	   -pthread $(if $(SAN),-fsanitize=address -fsanitize=undefined \
	   -fno-sanitize-recover=all -fno-omit-frame-pointer)
# := would ask pkg-config before make deps has installed it
PKG_CF	= $(shell pkg-config --cflags $(PKGS))
LIBS	= $(shell pkg-config --libs $(PKGS)) -lm -pthread

SRCS	:= $(foreach p,$(PARTS),$(wildcard $(p)/*.c))
OBJS	:= $(SRCS:%.c=$(B)/%.o)
FUZZ	:= $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(filter-out %/driver.c,$(wildcard tests/fuzz/*.c)))
TOOLS	:= $(patsubst tests/tools/%.c,$(B)/tests/tools/%,$(wildcard tests/tools/*.c))
TESTS	:= $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))

# short lines; V=1 shows the commands
ifeq ($(V),)
.SILENT:
endif
say	= @printf '  %-5s %s\n' $(1) $(2)

all: $(B)/rtkvm

# A part that builds more than .o files of its own (guest programs, ACPI) says so in PART/part.mk.
include $(wildcard $(PARTS:%=%/part.mk))

# Tests take from the archive only what they call; the program takes all.
$(B)/parts.a: $(OBJS)
	rm -f $@ && ar rcsT $@ $^

$(B)/rtkvm: $(B)/main.o $(OBJS)
	$(call say,LINK,$@)
	$(CC) $(ALLCF) -o $@ $^ $(LIBS)

$(B)/%.o: %.c VERSION
	mkdir -p $(@D)
	$(call say,CC,$@)
	$(CC) $(ALLCF) $(PKG_CF) -MMD -MP -c -o $@ $<

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/parts.a
	$(call say,LINK,$@)
	$(CC) $(ALLCF) -o $@ $(filter %.o,$^) $(B)/parts.a $(LIBS) -lcmocka

# libFuzzer declares its entry point nowhere
$(B)/tests/fuzz/%.o: ALLCF += -Wno-missing-prototypes

$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/driver.o $(B)/parts.a
	$(call say,LINK,$@)
	$(CC) $(ALLCF) -o $@ $(filter %.o,$^) $(B)/parts.a $(LIBS)

# what e2e tests and benchmarks run beside rtkvm
$(B)/tests/tools/%: $(B)/tests/tools/%.o $(B)/parts.a
	$(call say,LINK,$@)
	$(CC) $(ALLCF) -o $@ $(filter %.o,$^) $(B)/parts.a $(LIBS)

# runs in guests, too
$(B)/tests/tools/vsock: LIBS = -static

unit-programs: $(TESTS)
fuzz-programs: $(FUZZ)
tool-programs: $(TOOLS)

deps:
	@tests/deps packages.txt

# one job a CPU, where no -j was asked for
JOBS	= $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

demo: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@tests/demo $(B)

check: deps
	@$(MAKE) --no-print-directory $(JOBS) all tool-programs
	@$(MAKE) --no-print-directory $(JOBS) SAN=1 all unit-programs fuzz-programs
	@tests/check $(B)

# unit tests alone, under the sanitizers: seconds
unit:
	@$(MAKE) --no-print-directory $(JOBS) SAN=1 all unit-programs
	@tests/check --unit build

# FUZZ_SECONDS each, guided by coverage; needs Debian's clang and libclang-rt-14-dev
FUZZ_SECONDS ?= 60
fuzz: all
	@tests/fuzz/guided $(FUZZ_SECONDS) "$(ALLCF) $(PKG_CF)" "$(LIBS)" $(SRCS)

bench: deps
	@$(MAKE) --no-print-directory $(JOBS) all tool-programs
	@tests/bench/run $(B) $(BENCH)

lint:
	@tests/lint

install: all
	@tests/install $(B) "$(DESTDIR)" "$(PREFIX)"

uninstall:
	@tests/install --remove $(B) "$(DESTDIR)" "$(PREFIX)"

clean:
	rm -rf build

.PHONY: all tool-programs unit-programs fuzz-programs fuzz deps demo check unit bench lint install uninstall clean
.SECONDARY:
-include $(OBJS:.o=.d) $(B)/main.d $(TESTS:=.d) $(FUZZ:=.d) $(TOOLS:=.d)
