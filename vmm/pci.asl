/* SPDX-License-Identifier: GPL-2.0-only */
/* The PCI root bus of a machine that has one: bus 0, configuration by ports, memory below 4 GiB. */
DefinitionBlock ("pci.aml", "SSDT", 2, "RTKVM ", "RTKVMPCI", 0x00000001)
{
	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_SEG, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0x0000, 0x0000, 0x0000, 0x0000, 0x0001)
				IO (Decode16, 0x0CF8, 0x0CF8, 0x01, 0x08)
				/* PCI_WINDOW_FIRST, PCI_WINDOW_BYTES */
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0x00000000, 0xC0000000, 0xFBFFFFFF, 0x00000000, 0x3C000000)
			})
		}
	}
}
