// SPDX-License-Identifier: GPL-2.0-only
/*
 * serial - a 16550A at COM1 (National Semiconductor PC16550D data sheet)
 *
 * Output goes into the console ring; while that is full the transmitter says "not empty", so that
 * the guest waits in its own loop. Every register is a byte of its own, atomic, because a hostile
 * guest may use the port from several vCPUs at once.
 */
#include "vmm/serial.h"

#include <stdatomic.h>

#include "lib/cleanup.h"
#include "vmm/acpi.h"
#include "vmm/vm.h"

enum { RBR_THR_DLL, IER_DLM, IIR_FCR, LCR, MCR, LSR, MSR, SCR, REGISTERS };

enum {
	IER_RX = 1,
	IER_TX = 2,
	IER_WRITABLE = 0x0f,
	IIR_NONE = 1,
	IIR_TX = 2,
	IIR_RX = 4,
	IIR_FIFO = 0xc0,
	FCR_FIFO = 1,
	FCR_CLEAR_RX = 2,
	LCR_DLAB = 0x80,
	MCR_LOOP = 0x10,
	LSR_RX = 1,
	LSR_TX_EMPTY = 0x60,
	MSR_IDLE = 0xb0, /* carrier, data set ready, clear to send */
	RX_BYTES = 64,
	TX_MARGIN = 64, /* a burst of the guest's FIFO after it saw "empty" */
};

struct serial {
	struct vdev dev;
	_Atomic uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	_Atomic bool tx_pending; /* "transmitter empty" not yet seen by the guest */
	_Atomic bool tx_stalled; /* the guest found the ring full */
	_Atomic uint32_t rx_head, rx_tail; /* I/O thread writes head, the guest moves tail */
	_Atomic uint8_t rx[RX_BYTES];
};

static bool rx_ready(struct serial *s)
{
	return atomic_load(&s->rx_head) != atomic_load(&s->rx_tail);
}

static bool tx_room(struct serial *s)
{
	struct ring *console = &s->dev.vm->console;

	if (ring_space(console) >= TX_MARGIN)
		return true;
	atomic_store(&s->tx_stalled, true);
	vm_nudge_io(s->dev.vm); /* its fence parts the store from the second look, too */
	/* drained since the first look? Nobody may come to say so: who takes the flag back tells */
	return ring_space(console) >= TX_MARGIN && atomic_exchange(&s->tx_stalled, false);
}

static void tx_done(struct serial *s)
{
	if (atomic_exchange(&s->tx_pending, true))
		return; /* its interrupt is under way */
	if (atomic_load(&s->ier) & IER_TX)
		vm_irq(s->dev.vm, ACPI_COM1_GSI);
}

static void transmit(struct serial *s, uint8_t byte)
{
	if (atomic_load(&s->mcr) & MCR_LOOP) {
		serial_input(&s->dev, byte);
		return;
	}
	/* a guest that ignores LSR loses its byte, as with the real part */
	ring_push(&s->dev.vm->console, &byte, 1);
	vm_nudge_io(s->dev.vm);
	if (ring_space(&s->dev.vm->console) < TX_MARGIN)
		atomic_store(&s->tx_pending, false); /* before tx_room: who drains sets it again */
	if (tx_room(s))
		tx_done(s);
}

static uint8_t receive(struct serial *s)
{
	uint32_t tail = atomic_load(&s->rx_tail);
	uint8_t byte;

	if (tail == atomic_load(&s->rx_head))
		return 0;
	byte = atomic_load(&s->rx[tail % RX_BYTES]);
	atomic_compare_exchange_strong(&s->rx_tail, &tail, tail + 1);
	return byte;
}

static void set_ier(struct serial *s, uint8_t value)
{
	uint8_t old = atomic_exchange(&s->ier, value & IER_WRITABLE);
	uint8_t rising = value & ~old;

	if (rising & IER_TX && tx_room(s)) {
		atomic_store(&s->tx_pending, true);
		vm_irq(s->dev.vm, ACPI_COM1_GSI);
	} else if (rising & IER_RX && rx_ready(s)) {
		vm_irq(s->dev.vm, ACPI_COM1_GSI);
	}
}

static void write_reg(struct serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = atomic_load(&s->lcr) & LCR_DLAB;

	switch (reg) {
	case RBR_THR_DLL:
		if (dlab)
			atomic_store(&s->dll, value);
		else
			transmit(s, value);
		break;
	case IER_DLM:
		if (dlab)
			atomic_store(&s->dlm, value);
		else
			set_ier(s, value);
		break;
	case IIR_FCR:
		atomic_store(&s->fcr, value);
		if (value & FCR_CLEAR_RX)
			atomic_store(&s->rx_tail, atomic_load(&s->rx_head));
		break;
	case LCR:
		atomic_store(&s->lcr, value);
		break;
	case MCR:
		atomic_store(&s->mcr, value & 0x1f);
		break;
	case SCR:
		atomic_store(&s->scr, value);
		break;
	}
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t ier = atomic_load(&s->ier);
	uint8_t fifo = atomic_load(&s->fcr) & FCR_FIFO ? IIR_FIFO : 0;

	if (ier & IER_RX && rx_ready(s))
		return fifo | IIR_RX;
	if (ier & IER_TX && atomic_exchange(&s->tx_pending, false))
		return fifo | IIR_TX;
	return fifo | IIR_NONE;
}

/* In loop-back the outputs come back as inputs: drivers test for a UART that way. */
static uint8_t read_msr(struct serial *s)
{
	uint8_t mcr = atomic_load(&s->mcr);

	if (!(mcr & MCR_LOOP))
		return MSR_IDLE;
	return (mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 4) << 4 | (mcr & 8) << 4;
}

static uint8_t read_reg(struct serial *s, unsigned int reg)
{
	bool dlab = atomic_load(&s->lcr) & LCR_DLAB;

	switch (reg) {
	case RBR_THR_DLL:
		return dlab ? atomic_load(&s->dll) : receive(s);
	case IER_DLM:
		return dlab ? atomic_load(&s->dlm) : atomic_load(&s->ier);
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return atomic_load(&s->lcr);
	case MCR:
		return atomic_load(&s->mcr);
	case LSR:
		return (tx_room(s) ? LSR_TX_EMPTY : 0) | (rx_ready(s) ? LSR_RX : 0);
	case MSR:
		return read_msr(s);
	default:
		return atomic_load(&s->scr);
	}
}

static enum vcpu_next pio(struct vdev *d, struct vcpu *v, struct pio *io)
{
	struct serial *s = container_of(d, struct serial, dev);
	unsigned int reg = io->port - ACPI_COM1_PORT;

	(void)v;
	if (io->len != 1) { /* the bus is a byte wide */
		vdev_ignore_pio(io);
		return VCPU_RUN;
	}
	for (uint32_t i = 0; i < io->count; i++) {
		if (io->write)
			write_reg(s, reg, io->data[i]);
		else
			io->data[i] = read_reg(s, reg);
	}
	return VCPU_RUN;
}

bool serial_input(struct vdev *d, uint8_t byte)
{
	struct serial *s = container_of(d, struct serial, dev);
	uint32_t head = atomic_load(&s->rx_head);

	if (head - atomic_load(&s->rx_tail) >= RX_BYTES)
		return false;
	atomic_store(&s->rx[head % RX_BYTES], byte);
	atomic_store(&s->rx_head, head + 1);
	if (atomic_load(&s->ier) & IER_RX)
		vm_irq(d->vm, ACPI_COM1_GSI);
	return true;
}

void serial_drained(struct vdev *d)
{
	struct serial *s = container_of(d, struct serial, dev);

	atomic_thread_fence(
		memory_order_seq_cst); /* the ring's new tail first; pairs with tx_room */
	if (atomic_exchange(&s->tx_stalled, false))
		tx_done(s);
}

static int init(struct vdev *d, struct err *e)
{
	(void)e;
	d->vm->serial = d;
	return 0;
}

const struct vdev_ops serial_ops = {
	.name = "serial",
	.state_bytes = sizeof(struct serial),
	.ports = { { ACPI_COM1_PORT, REGISTERS } },
	.init = init,
	.pio = pio,
};
