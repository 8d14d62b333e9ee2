# SPDX-License-Identifier: GPL-2.0-only
# Flat payloads: 64-bit programs without an operating system, started by PVH.
# guests/flat/NAME.c with a payload_main() becomes $(B)/guests/flat/NAME.elf.

FLAT_PAYLOADS	:= script gap timer exits mboot hostile virtio
FLAT_COMMON	:= start lib measure pci
FLAT_CF := -std=gnu17 -O2 -g $(WARN) -I. -ffreestanding -fno-pic -fno-pie -mno-red-zone \
	   -mgeneral-regs-only -mcmodel=small -fno-stack-protector -fcf-protection=none \
	   -fno-asynchronous-unwind-tables
FLAT_OBJS := $(FLAT_COMMON:%=$(B)/guests/flat/%.o)

all: $(FLAT_PAYLOADS:%=$(B)/guests/flat/%.elf)

$(B)/guests/flat/%.o: guests/flat/%.c guests/flat/flat.mk
	@mkdir -p $(@D)
	$(CC) $(FLAT_CF) -MMD -MP -c -o $@ $<

$(B)/guests/flat/%.o: guests/flat/%.S guests/flat/flat.mk
	@mkdir -p $(@D)
	$(CC) $(FLAT_CF) -MMD -MP -c -o $@ $<

$(B)/guests/flat/%.elf: $(B)/guests/flat/%.o $(FLAT_OBJS) guests/flat/flat.ld
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		-Wl,-T,guests/flat/flat.ld -o $@ $< $(FLAT_OBJS)

# A 32-bit ELF file, as multiboot wants it, that goes on in 64-bit mode.
$(B)/guests/flat/%.elf32: $(B)/guests/flat/%.elf
	objcopy -O elf32-i386 $< $@

all: $(B)/guests/flat/mboot.elf32

-include $(FLAT_OBJS:.o=.d) $(FLAT_PAYLOADS:%=$(B)/guests/flat/%.d)
