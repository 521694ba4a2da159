// The supervisor's program, carried inside mk (supervisor/image.h).
    .section .rodata
    .global mk_supervisor_begin
    .global mk_supervisor_end
    .balign 16
mk_supervisor_begin:
    .incbin MK_SUPERVISOR_PATH
mk_supervisor_end:
    .section .note.GNU-stack,"",%progbits
