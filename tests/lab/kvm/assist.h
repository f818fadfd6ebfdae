/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * KVM without the hardware's help carries out a guest's instructions one by one, and
 * knows but the moves of SSE. Others end in KVM_EXIT_INTERNAL_ERROR at the instruction.
 * The core is compiled with SSE, as the library is, so those are carried out here, by
 * this processor, on the guest's registers and memory.
 *
 * The instruction is copied with its operand's address replaced by (%rax), or a
 * general register that it names replaced by %rax.
 */
#ifndef LAB_KVM_ASSIST_H
#define LAB_KVM_ASSIST_H

#include "vm.h"

#define LAB_LONGEST 15 /* bytes of an instruction */

struct lab_insn {
	uint8_t prefix;      /* 66, F2, F3, or 0 */
	uint8_t rex, opcode; /* two-byte opcodes, 0F and this one */
	uint8_t modrm, imm;  /* imm: there is one, its value */
	bool has_imm;
	unsigned length;
	uint64_t address; /* of an operand in memory */
};

/* Which of them have a byte of immediate operand. */
static inline bool lab_takes_imm(uint8_t opcode)
{
	return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
	       (opcode >= 0xc4 && opcode <= 0xc6);
}

static inline uint64_t lab_gpr(const struct kvm_regs *r, unsigned n)
{
	const uint64_t value[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
	                            r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

	return value[n & 15];
}

static inline void lab_set_gpr(struct kvm_regs *r, unsigned n, uint64_t value)
{
	__u64 *const reg[16] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
	                        &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
	                        &r->r12, &r->r13, &r->r14, &r->r15};

	*reg[n & 15] = value;
}

/* Of base, index and displacement; at points behind the ModRM byte. */
static inline void lab_decode_address(struct lab_insn *i, const uint8_t *code, unsigned *at,
                                      const struct kvm_regs *r)
{
	unsigned mod = i->modrm >> 6, base = i->modrm & 7;
	bool relative = !mod && base == 5, bare = false;
	int32_t wide = 0;

	if (base == 4) {
		uint8_t sib = code[(*at)++];
		unsigned index = (sib >> 3 & 7) | (i->rex & 2) << 2;

		base = sib & 7;
		bare = !mod && base == 5;
		if (index != 4)
			i->address += lab_gpr(r, index) << (sib >> 6);
	}
	if (mod == 1) {
		i->address += (uint64_t)(int8_t)code[(*at)++];
	} else if (mod == 2 || relative || bare) {
		memcpy(&wide, code + *at, sizeof(wide));
		*at += sizeof(wide);
		i->address += (uint64_t)(int64_t)wide;
	}
	if (!relative && !bare)
		i->address += lab_gpr(r, base | (i->rex & 1u) << 3);
	else if (relative)
		i->address += r->rip + *at + lab_takes_imm(i->opcode);
}

/* False: not one of SSE's with a two-byte opcode. */
static inline bool lab_decode(struct lab_insn *i, const uint8_t *code, const struct kvm_regs *r)
{
	unsigned at = 0;

	memset(i, 0, sizeof(*i));
	if (code[at] == 0x66 || code[at] == 0xf2 || code[at] == 0xf3)
		i->prefix = code[at++];
	if ((code[at] & 0xf0) == 0x40)
		i->rex = code[at++];
	if (code[at++] != 0x0f || code[at] < 0x10 || code[at] == 0x38 || code[at] == 0x3a)
		return false;
	i->opcode = code[at++];
	i->modrm = code[at++];
	if (i->modrm >> 6 != 3)
		lab_decode_address(i, code, &at, r);
	i->has_imm = lab_takes_imm(i->opcode);
	if (i->has_imm)
		i->imm = code[at++];
	i->length = at;
	return true;
}

/* MOVD and MOVQ to and from a general register: the only ones that compilers use. */
static inline bool lab_names_gpr(const struct lab_insn *i)
{
	return i->modrm >> 6 == 3 && i->prefix == 0x66 && (i->opcode == 0x6e || i->opcode == 0x7e);
}

/* The same instruction on (%rax), or on %rax, and back to the caller. */
static inline void lab_compose(uint8_t *code, const struct lab_insn *i)
{
	bool rax = i->modrm >> 6 != 3 || lab_names_gpr(i);

	if (i->prefix)
		*code++ = i->prefix;
	*code++ = 0x40 | (i->rex & (rax ? 0xc : 0xf));
	*code++ = 0x0f;
	*code++ = i->opcode;
	if (!rax)
		*code++ = i->modrm;
	else
		*code++ = (i->modrm & 0x38) | (lab_names_gpr(i) ? 0xc0 : 0);
	if (i->has_imm)
		*code++ = i->imm;
	*code = 0xc3;
}

struct lab_fxsave {
	uint8_t byte[512];
} __attribute__((aligned(16)));

/* On the guest's vector registers; *rax is the operand, or its address. */
static inline void lab_carry_out(const uint8_t *code, struct lab_fxsave *guest, uint64_t *rax)
{
	struct lab_fxsave own;

	/* Below the red zone; so no operand may be relative to the stack pointer. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
	                 "fxsave64 (%[own])\n\tfxrstor64 (%[guest])\n\t"
	                 "call *%[code]\n\t"
	                 "fxsave64 (%[guest])\n\tfxrstor64 (%[own])\n\t"
	                 "lea 128(%%rsp), %%rsp"
	                 : "+a"(*rax)
	                 : [own] "r"(&own), [guest] "r"(guest), [code] "r"(code)
	                 : "memory", "cc");
}

/* The instruction that the vCPU stands at; false if it is none of these. */
static inline bool lab_assist(struct lab_vm *vm, unsigned cpu)
{
	static uint8_t *page;
	struct kvm_regs regs;
	struct kvm_xsave xsave __attribute__((aligned(64)));
	struct lab_fxsave fx;
	struct lab_insn insn;
	uint64_t rax;

	if (!page)
		page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	LAB_IOCTL(vm->vcpu[cpu], KVM_GET_REGS, &regs);
	if (regs.rip > LAB_MEMORY - LAB_LONGEST ||
	    !lab_decode(&insn, vm->memory + regs.rip, &regs) || insn.address > LAB_MEMORY - 16)
		return false;
	LAB_IOCTL(vm->vcpu[cpu], KVM_GET_XSAVE, &xsave);
	memcpy(&fx, xsave.region, sizeof(fx));
	lab_compose(page, &insn);
	rax = lab_names_gpr(&insn) ? lab_gpr(&regs, (insn.modrm & 7u) | (insn.rex & 1u) << 3)
	                           : (uintptr_t)vm->memory + insn.address;
	lab_carry_out(page, &fx, &rax);
	if (lab_names_gpr(&insn))
		lab_set_gpr(&regs, (insn.modrm & 7u) | (insn.rex & 1u) << 3, rax);
	memcpy(xsave.region, &fx, sizeof(fx));
	xsave.region[128] |= 3; /* XSTATE_BV: x87 and SSE are in use */
	LAB_IOCTL(vm->vcpu[cpu], KVM_SET_XSAVE, &xsave);
	regs.rip += insn.length;
	LAB_IOCTL(vm->vcpu[cpu], KVM_SET_REGS, &regs);
	return true;
}

#endif /* LAB_KVM_ASSIST_H */
