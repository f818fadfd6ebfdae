# SPDX-License-Identifier: LGPL-2.1-or-later
# Perl's Time::HiRes, alone and against what the kernel does by its own.
use strict;
use warnings;
use File::Temp;
use Time::HiRes qw(time sleep usleep nanosleep alarm tv_interval gettimeofday stat utime
	clock_gettime clock_getres CLOCK_MONOTONIC CLOCK_REALTIME);

my $early = 1e-5;    # decimals of a double, and of the clocks' agreement

sub monotonic { return clock_gettime(CLOCK_MONOTONIC) }

my $last = monotonic();
for (1 .. 50000) {
	my $now = monotonic();
	die "back: $last, $now" if $now < $last;
	$last = $now;
}
die 'getres' if clock_getres(CLOCK_MONOTONIC) > 0.1;

# The kernel stamps a file with a time that has been, and in the end with each.
my $file = File::Temp->new;
my $begun = time;
do { utime(undef, undef, $file->filename) or die $! } while ((stat($file))[9] < $begun);
my $stamp = (stat($file))[9];
die 'file' if time < $stamp - $early || clock_gettime(CLOCK_REALTIME) < $stamp - $early;
die 'zero' if tv_interval([gettimeofday]) < 0;

for (1 .. 20) {
	for my $nap (sub { sleep 0.002 }, sub { usleep 2000 }, sub { nanosleep 2000000 }) {
		my $from = monotonic();
		$nap->();
		die 'short' if monotonic() - $from < 0.002 - $early;
	}
}

my $rang = 0;
local $SIG{ALRM} = sub { $rang = monotonic() };
my $set = monotonic();
alarm 0.02;
sleep 0.01 until $rang;
die 'alarm' if $rang - $set < 0.02 - $early;
print "ok\n";
