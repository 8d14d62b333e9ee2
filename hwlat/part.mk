# SPDX-License-Identifier: GPL-2.0-only
# threadstop stops one thread for known times: a vCPU, in the tests and the benchmark of hwlat/
all: $(B)/tests/tools/threadstop
