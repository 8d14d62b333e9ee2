# SPDX-License-Identifier: GPL-2.0-only
# ACPI tables become C headers: the program carries them, nothing is looked up at run time.
VMM_ASL := dsdt pci

$(VMM_ASL:%=$(B)/vmm/%_aml.h): $(B)/vmm/%_aml.h: vmm/%.asl vmm/part.mk
	@mkdir -p $(@D)
	iasl -vs -va -we -p $(B)/vmm/$* -tc $< >$(B)/vmm/$*.log || { cat $(B)/vmm/$*.log; exit 1; }
	sed 's/^unsigned char/static const unsigned char/' $(B)/vmm/$*.hex >$@

$(B)/vmm/acpi.o: $(VMM_ASL:%=$(B)/vmm/%_aml.h)

# A guest's process: linked statically (the sanitizers cannot), so that nothing is searched for and
# relocated at its start, with those objects of the archive that it needs and no others.
RUN_PKGS := json-c libseccomp

all: $(B)/vmm/rtkvm-run

$(B)/vmm/rtkvm-run: $(B)/vmm/run/main.o $(B)/parts.a
	$(call say,LINK,$@)
	$(CC) $(ALLCF) $(if $(SAN),,-static-pie) -o $@ $^ \
		$(shell pkg-config --static --libs $(RUN_PKGS)) -pthread

-include $(B)/vmm/run/main.d
