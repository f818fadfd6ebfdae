-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Each statement's time is measured by the shell; one statement has one time of its own.
.timer on
create table t(n, at);
with recursive r(n) as (select 1 union all select n + 1 from r where n < 50000)
	insert into t select n, strftime('%f', 'now') from r;
select count(*), count(distinct at) from t;
