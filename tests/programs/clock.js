// SPDX-License-Identifier: LGPL-2.1-or-later
// Node's clocks, alone and against what the kernel does by its own.
'use strict';
const assert = require('assert');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { Worker, isMainThread, parentPort } = require('worker_threads');

function steady(read) {
	let last = read();
	for (let i = 0; i < 200000; i++) {
		const now = read();
		if (now < last)
			assert.fail(`back: ${last}, ${now}`);
		last = now;
	}
}

// The kernel stamps a file with a time that has been, and in the end with each.
function againstFiles() {
	const tree = fs.mkdtempSync(path.join(os.tmpdir(), 'pvclock-test.'));
	const file = path.join(tree, 'file');
	try {
		const begun = Date.now();
		do {
			fs.writeFileSync(file, 'x');
		} while (fs.statSync(file).mtimeMs < begun);
		assert(Date.now() >= Math.floor(fs.statSync(file).mtimeMs));
	} finally {
		fs.rmSync(tree, { recursive: true });
	}
}

// libuv counts whole milliseconds: a timer may be early by the rest of one.
async function timers() {
	for (let ms = 1; ms <= 20; ms++) {
		const begun = performance.now();
		await new Promise((done) => setTimeout(done, ms));
		assert(performance.now() - begun > ms - 1.1, `${ms} ms`);
	}
	const order = [];
	await Promise.all([9, 3, 6, 12].map((ms) => new Promise((done) => setTimeout(() => {
		order.push(ms);
		done();
	}, ms))));
	assert.deepStrictEqual(order, [3, 6, 9, 12]);
}

function clocks() {
	steady(() => performance.now());
	steady(() => process.hrtime.bigint());
	steady(() => performance.timeOrigin + performance.now());
	const [s, ns] = process.hrtime();
	assert(s >= 0 && ns >= 0 && ns < 1e9);
}

async function main() {
	clocks();
	againstFiles();
	await timers();
	const worker = new Worker(__filename);
	worker.postMessage(await new Promise((done) => worker.once('message', done)));
	assert.strictEqual(await new Promise((done) => worker.once('exit', done)), 0);
	console.log('ok');
}

if (isMainThread) {
	main();
} else {
	clocks();
	parentPort.once('message', () => parentPort.close());
	parentPort.postMessage('ready');
}
