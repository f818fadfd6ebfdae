# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make model      protocols of the core in every order of events that there is (spin)

model:
	$(Q)tests/model/run $(O)/model
.PHONY: model
