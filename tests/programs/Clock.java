// SPDX-License-Identifier: LGPL-2.1-or-later
// Java's clocks, alone, against what the kernel does by its own, and while garbage is collected.
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

public class Clock {
	/* Sleeps end by the kernel's clock, which may be this far ahead. */
	private static final long EARLY_NS = 2000;

	private static volatile Object kept;

	private static void check(boolean is, String what) {
		if (!is)
			throw new AssertionError(what);
	}

	/* Garbage in between, so that collections stop threads amid their readings. */
	private static Void steady() {
		long last = System.nanoTime();

		for (int i = 0; i < 300000; i++) {
			long now = System.nanoTime();

			check(now - last >= 0, "nanoTime went back");
			last = now;
			if (i % 4 == 0)
				kept = new byte[2048];
		}
		return null;
	}

	/* The kernel stamps a file with a time that has been, and in the end with each. */
	private static void againstFiles() throws Exception {
		Path file = Files.createTempFile("pvclock-test", null);

		try {
			Instant begun = Instant.now();
			FileTime stamp;

			do {
				Files.write(file, new byte[] {'x'});
				stamp = Files.getLastModifiedTime(file);
			} while (stamp.toInstant().isBefore(begun));
			/* Instants are cut to microseconds, stamps need not be. */
			check(!Instant.now().plusNanos(1000).isBefore(stamp.toInstant()), "Instant");
			check(System.currentTimeMillis() >= stamp.toMillis(), "currentTimeMillis");
		} finally {
			Files.delete(file);
		}
	}

	private static void sleeps() throws Exception {
		Object monitor = new Object();

		for (int i = 0; i < 20; i++) {
			long begun = System.nanoTime();

			Thread.sleep(2);
			check(System.nanoTime() - begun >= 2000000 - EARLY_NS, "sleep");
			begun = System.nanoTime();
			synchronized (monitor) {
				monitor.wait(2);
			}
			kept = begun;
		}
	}

	private static void scheduled() throws Exception {
		ScheduledExecutorService s = Executors.newScheduledThreadPool(2);
		long begun = System.nanoTime();
		long ran = s.schedule(System::nanoTime, 10, TimeUnit.MILLISECONDS).get();

		check(ran - begun >= 10000000 - EARLY_NS, "schedule");
		s.shutdown();
		s.awaitTermination(1, TimeUnit.DAYS);
	}

	public static void main(String[] arguments) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Callable<Void>> readers = new ArrayList<>();

		for (int i = 0; i < 4; i++)
			readers.add(Clock::steady);
		for (Future<Void> f : pool.invokeAll(readers))
			f.get();
		pool.shutdown();
		System.gc();
		againstFiles();
		sleeps();
		scheduled();
		System.out.println("ok");
	}
}
