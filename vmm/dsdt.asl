/* SPDX-License-Identifier: GPL-2.0-only */
/* What cannot be probed on a hardware-reduced machine: COM1, its interrupt, power-off, pvpanic. */
DefinitionBlock ("dsdt.aml", "DSDT", 2, "RTKVM ", "RTKVM   ", 0x00000001)
{
	/* SLEEP_CONTROL takes 5 << 2 | 1 << 5: ACPI_S5_TYPE */
	Name (\_S5, Package (4) { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 0)
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				/* an extended interrupt: there is no PIC for IRQNoFlags */
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 4 }
				IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
			})
		}

		Device (PVPC)
		{
			Name (_HID, "QEMU0001")
			Name (_STA, 0x0F)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x0505, 0x0505, 0x01, 0x01)
			})
		}
	}
}
