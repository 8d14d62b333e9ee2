#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# script.sh start | stop [full_rollback] | verify [ignore_missing] - called by tuned, which hands
# the profile's variables over as TUNED_NAME in the environment
PATH=$PATH:/usr/local/sbin:/usr/local/bin
exec rtkvm tune --profile "$(dirname "$0")" "$@"
