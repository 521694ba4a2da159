// The API facts as read-only bytes of the executable: paged in when first read, never copied whole.
    .section .rodata
    .balign 16

    .global mk_api_schema_begin
    .global mk_api_schema_end
mk_api_schema_begin:
    .incbin "schema.json"
mk_api_schema_end:

    .global mk_api_discovery_begin
    .global mk_api_discovery_end
mk_api_discovery_begin:
    .incbin "discovery.json"
mk_api_discovery_end:

    .global mk_api_protobuf_begin
    .global mk_api_protobuf_end
mk_api_protobuf_begin:
    .incbin "protobuf.json"
mk_api_protobuf_end:


    .section .note.GNU-stack,"",%progbits
