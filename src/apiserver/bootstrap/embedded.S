// The default policy and objects as read-only bytes of the executable.
    .section .rodata
    .balign 16

    .global mk_apiserver_policy_begin
    .global mk_apiserver_policy_end
mk_apiserver_policy_begin:
    .incbin "policy.yaml"
mk_apiserver_policy_end:

    .global mk_apiserver_objects_begin
    .global mk_apiserver_objects_end
mk_apiserver_objects_begin:
    .incbin "objects.yaml"
mk_apiserver_objects_end:

    .section .note.GNU-stack,"",%progbits
