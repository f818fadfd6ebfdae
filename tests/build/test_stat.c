// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pvclockstat as a program: what it shows of entries and events, those of a file that
 * is written while it looks; the arithmetic of drift; and what it refuses.
 */
#include "tool.h"

static int find(void **state)
{
	(void)state;
	return find_tool("pvclockstat");
}

/* What scripts share: a file of two entries, as a host writes them, and a VMClock. */
#define HOST                                                                                       \
	"import atexit, json, mmap, struct, subprocess, sys\n"                                     \
	"def start(*options):\n"                                                                   \
	"    p = subprocess.Popen([sys.argv[1], *options], stdout=subprocess.PIPE, text=True)\n"   \
	"    atexit.register(p.wait)\n"                                                            \
	"    atexit.register(p.kill)\n"                                                            \
	"    return p\n"                                                                           \
	"def mapped(name, size):\n"                                                                \
	"    with open(name, 'wb') as f: f.truncate(size)\n"                                       \
	"    with open(name, 'r+b') as f: return mmap.mmap(f.fileno(), size)\n"                    \
	"page = mapped('page', 128)\n"                                                             \
	"class Entry:\n"                                                                           \
	"    version, ns, mul, flags = 2, 10**9, 1 << 31, 1\n"                                     \
	"entries = Entry(), Entry()\n"                                                             \
	"def write(i, **values):\n"                                                                \
	"    e = entries[i]\n"                                                                     \
	"    for name in values: setattr(e, name, values[name])\n"                                 \
	"    struct.pack_into('<I', page, 64 * i, e.version + 1)\n"                                \
	"    struct.pack_into('<QQIbB', page, 64 * i + 8, 0, e.ns, e.mul, 0, e.flags)\n"           \
	"    e.version += 2\n"                                                                     \
	"    struct.pack_into('<I', page, 64 * i, e.version)\n"                                    \
	"def write_both(**values):\n"                                                              \
	"    write(0, **values)\n"                                                                 \
	"    write(1, **values)\n"                                                                 \
	"write_both()\n"                                                                           \
	"clock = mapped('clock', 4096)\n"                                                          \
	"struct.pack_into('<IIHBBIQ', clock, 0, 0x4b4c4356, 4096, 1, 1, 0, 0, 7)\n"

static void run_script(const char *script)
{
	if (!have_program("python3")) {
		skip_line("pvclockstat on a page that changes", "python3 is missing");
		return;
	}
	run_shipped(NULL, WORDS("python3", "-c", script, tool), 0);
}

/* Each line comes before the next thing is done to the page: none is one of two. */
static void events_as_they_come(void **state)
{
	static const char *const script =
		HOST "p = start('--file=page', '--vmclock=clock', "
		     "'--follow=0.01', '--count=6')\n"
		     "def line(): return p.stdout.readline().rstrip('\\n')\n"
		     "def event(number, words):\n"
		     "    got = line()\n"
		     "    assert got.endswith('  ' + words), (words, got)\n"
		     "    got = got.split()\n"
		     "    assert got[2] == str(number), got\n"
		     "    assert got[3] == '-' if number == 6 else float(got[3]) >= 0, got\n"
		     "    return int(got[4]), int(got[5]), got[6]\n"
		     "assert line().startswith('mode stable: ')\n"
		     "assert 'what happened' in line()\n"
		     "write_both(ns=entries[0].ns + 5000000)\n"
		     "assert event(1, \"the entry's parameters changed\")[:2] == (5000000, 0)\n"
		     "write_both(flags=3)\n"
		     "event(2, 'the host had paused the VM')\n"
		     "write_both(flags=0)\n"
		     "event(3, 'STABLE was cleared')\n"
		     "write_both(flags=1)\n"
		     "event(4, 'STABLE is set again')\n"
		     "struct.pack_into('<Q', clock, 16, 8)\n"
		     "assert event(5, 'VMClock: the VM was moved or restored')[2] == '-'\n"
		     "write(0, mul=0)\n"
		     "assert event(6, 'the page was given up')[2] == '-'\n"
		     "assert line() == '' and p.wait() == 0\n";

	(void)state;
	run_script(script);
}

static void events_as_json(void **state)
{
	static const char *const script =
		HOST "write_both(flags=3)\n"
		     "p = start('--file=page', '--follow=0.01', '--count=2', "
		     "'--json')\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "assert (d['number'], d['kind']) == (1, 'stopped') and d['cpu'] in (0, 1), d\n"
		     "assert d['ns'] > 0 and d['tsc'] > 0 and d['seconds_ago'] >= 0, d\n"
		     "write_both(mul=entries[0].mul + (entries[0].mul >> 10))\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "assert (d['number'], d['kind']) == (2, 'changed'), d\n"
		     "assert d['step_ns'] > 0 and 976561 <= d['rate_ppb'] <= 976564, d\n"
		     "assert d['clock'] is None and p.stdout.readline() == '' and p.wait() == 0\n";

	(void)state;
	run_script(script);
}

/* How long ago is no question of what the clock has been set to since. */
static void events_in_a_table(void **state)
{
	static const char *const script =
		HOST "p = start('--file=page', '--watch=0.1', '--count=3', '--json')\n"
		     "assert json.loads(p.stdout.readline())['events'] == []\n"
		     "write_both(flags=3)\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "assert [e['kind'] for e in d['events']] == ['stopped'], d\n"
		     "write_both(mul=3 << 30)\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "assert [e['kind'] for e in d['events']] == ['stopped', 'changed'], d\n"
		     "ago = [e['seconds_ago'] for e in d['events']]\n"
		     "assert 60 > ago[0] > ago[1] >= 0, d\n"
		     "assert d['events_lost'] == 0 and d['counters']['stopped'] == 2, d\n"
		     "assert p.wait() == 0\n";

	(void)state;
	run_script(script);
}

/* Of another VM's page there are no clocks to make, in any mode. */
static void clocks_of_a_file(void **state)
{
	static const char *const script =
		HOST "for flags in (1, 0):\n"
		     "    write_both(flags=flags)\n"
		     "    out = subprocess.check_output([sys.argv[1], '--file=page'], text=True)\n"
		     "    assert \"\\nclocks          the kernel's answers\\n\" in out, out\n";

	(void)state;
	run_script(script);
}

/* In mode percpu each entry has its own story. */
static void table_of_entries(void **state)
{
	static const char *const script =
		HOST "write(1, ns=entries[0].ns - 70000)\n"
		     "p = start('--file=page', '--json', '--watch=0.1', "
		     "'--count=2')\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "assert d['mode'] == 'percpu' and d['entries'] == 2, d\n"
		     "assert d['counters']['generation'] == 0 and d['events'] == [], d\n"
		     "e = d['entry_list']\n"
		     "assert [x['entry'] for x in e] == [0, 1], e\n"
		     "assert [x['behind_ns'] for x in e] == [0, 70000], e\n"
		     "assert [x['version'] for x in e] == [4, 6], e\n"
		     "assert [x['tsc_khz'] for x in e] == [2000000, 2000000], e\n"
		     "write(1, ns=entries[0].ns)\n"
		     "d = json.loads(p.stdout.readline())\n"
		     "e = d['entry_list']\n"
		     "assert [x['param_changes'] for x in e] == [0, 1], e\n"
		     "assert [x['version_moves'] for x in e] == [0, 1], e\n"
		     "assert [x['kind'] for x in d['events']][0] == 'changed', d\n"
		     "assert d['events'][0]['step_ns'] == 70000 and d['events'][0]['cpu'] == 1, d\n"
		     "assert d['counters']['generation'] == len(d['events']), d\n"
		     "assert p.wait() == 0\n";

	(void)state;
	run_script(script);
}

static void in_words(void **state)
{
	(void)state;
	run_shipped(NULL, WORDS(tool), 0);
	assert_string_equal(r.err, "");
	assert_contains(r.out, "\ngeneration ");
	assert_contains(r.out, "\nstable_edges ");
	if (!strstr(r.out, "\npage            none"))
		assert_contains(r.out, "\n    0 ");
	run_shipped(NULL, WORDS(tool, "--mode=kernel"), 0);
	assert_contains(r.out, "mode            kernel: asked for\n");
	assert_null(strstr(r.out, "\nentry "));
}

/* By integers of any size, and fractions, what the library does in 128 bits. */
static void drift(void **state)
{
	static const char *const script =
		HOST "from fractions import Fraction\n"
		     "def scale(hz):\n"
		     "    shift = 0\n"
		     "    while hz > 2 * 10**9: hz >>= 1; shift -= 1\n"
		     "    while hz <= 10**9: hz <<= 1; shift += 1\n"
		     "    return (10**9 << 32) // hz, shift\n"
		     "for host, guest, bits in ((2893300, 2500000, 48), (2893300, 2500000, 32),\n"
		     "                          (2445425, 2445425, 48), (1700001, 3999999, 32),\n"
		     "                          (999999, 1000001, 48)):\n"
		     "    out = subprocess.check_output([sys.argv[1], '--json', '--drift',\n"
		     "                                   '%d:%d:%d' % (host, guest, bits)])\n"
		     "    d = json.loads(out)\n"
		     "    ratio = (guest << bits) // host\n"
		     "    scaled = host * ratio >> bits\n"
		     "    assert int(d['ratio'], 16) == ratio and d['scaled_khz'] == scaled, d\n"
		     "    hm, hs = scale(host * 1000)\n"
		     "    gm, gs = scale(scaled * 1000)\n"
		     "    assert (d['host_mul'], d['host_shift']) == (hm, hs), d\n"
		     "    assert (d['guest_mul'], d['guest_shift']) == (gm, gs), d\n"
		     "    direct = hm * Fraction(2) ** hs\n"
		     "    through = gm * Fraction(2) ** gs * Fraction(ratio, 1 << bits)\n"
		     "    ppm = float((through / direct - 1) * 10**6)\n"
		     "    assert abs(d['ppm'] - ppm) <= 1e-9 + abs(ppm) * 1e-9, (d, ppm)\n"
		     "    assert abs(d['ns_per_day'] - ppm * 86400e3) <= 0.1, (d, ppm)\n";

	(void)state;
	run_shipped(NULL, WORDS(tool, "--drift=2893300:2500000"), 0);
	assert_contains(r.out, "48 bits");
	assert_contains(r.out, "\nscaled_khz      2499999\n");
	assert_contains(r.out, "\nppm ");
	assert_contains(r.out, "\nns_per_day ");
	run_script(script);
}

static void refuses(const char *const *argv, const char *told)
{
	run_shipped(NULL, argv, EXIT_USAGE);
	assert_one_line(r.err, WORDS("pvclockstat: ", told));
	assert_string_equal(r.out, "");
}

static void wrong_arguments(void **state)
{
	(void)state;
	refuses(WORDS(tool, "--watch=0"), "--watch: '0'");
	refuses(WORDS(tool, "--follow=-1"), "--follow: '-1'");
	refuses(WORDS(tool, "--follow=x"), "--follow: 'x'");
	refuses(WORDS(tool, "--follow", "--watch=1"), "not together");
	refuses(WORDS(tool, "--count=1"), "--count: needs");
	refuses(WORDS(tool, "--follow", "--count=0"), "--count: '0'");
	refuses(WORDS(tool, "--mode=fast"), "auto, stable, percpu, kernel");
	refuses(WORDS(tool, "--drift=2000000"), "HOST_KHZ:GUEST_KHZ[:BITS]");
	refuses(WORDS(tool, "--drift=1:2:"), "HOST_KHZ:GUEST_KHZ[:BITS]");
	refuses(WORDS(tool, "--drift=1:2:3:4"), "HOST_KHZ:GUEST_KHZ[:BITS]");
	refuses(WORDS(tool, "--drift=-1:2"), "HOST_KHZ:GUEST_KHZ[:BITS]");
	refuses(WORDS(tool, "--drift=1:2.5"), "HOST_KHZ:GUEST_KHZ[:BITS]");
	refuses(WORDS(tool, "--drift=0:1"), "out of range");
	refuses(WORDS(tool, "--drift=1:1:49"), "out of range");
	refuses(WORDS(tool, "--drift=1:1", "--follow"), "--drift: ");
	refuses(WORDS(tool, "--wrong"), "--wrong");
	refuses(WORDS(tool, "now"), "'now'");
}

/* Not a mistake in the arguments, but in what they name. */
static void no_page(void **state)
{
	(void)state;
	run_shipped(NULL, WORDS(tool, "--file=missing"), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclockstat: ", "cannot open 'missing': "));
	run_shipped(NULL, WORDS(tool, "--file="), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclockstat: ", "cannot open '': "));
	run_shipped(NULL, WORDS(tool, "--file=/dev/null"), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclockstat: ", "cannot open a reader of '/dev/null': "));
	run_shipped(NULL, WORDS(tool, "--vmclock=missing"), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclockstat: ", "cannot open a reader with 'missing': "));
	run_shipped(NULL, WORDS(tool, "--file=/dev/null", "--vmclock=missing"), EXIT_FAILED);
	assert_one_line(r.err, WORDS("pvclockstat: ", "of '/dev/null' with 'missing': "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_words),         cmocka_unit_test(events_as_they_come),
		cmocka_unit_test(events_as_json),   cmocka_unit_test(events_in_a_table),
		cmocka_unit_test(table_of_entries), cmocka_unit_test(drift),
		cmocka_unit_test(wrong_arguments),  cmocka_unit_test(no_page),
		cmocka_unit_test(clocks_of_a_file),
	};

	return cmocka_run_group_tests(tests, find, leave_tool);
}
