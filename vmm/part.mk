# SPDX-License-Identifier: GPL-2.0-only
# The DSDT becomes a C header: the program carries it, nothing is looked up at run time.
$(B)/vmm/dsdt_aml.h: vmm/dsdt.asl
	@mkdir -p $(@D)
	iasl -vs -va -we -p $(B)/vmm/dsdt -tc $< >$(B)/vmm/dsdt.log || { cat $(B)/vmm/dsdt.log; exit 1; }
	sed 's/^unsigned char/static const unsigned char/' $(B)/vmm/dsdt.hex >$@

$(B)/vmm/acpi.o: $(B)/vmm/dsdt_aml.h
