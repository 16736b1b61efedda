"""Confluent's own deserializers and serializers, for records that the schema room wrote.

serdes.py REGISTRY < cases > answers: one JSON object a line on both sides. A case has format, topic, data (hex) and, for
Protobuf, file (a serialized descriptor in base64) and message. The answer has value, what the deserializer read, and data,
the same value as the serializer wrote it, which for Avro goes by the schema that data names; or error.
"""
import base64
import io
import json
import sys

import fastavro
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

registry = SchemaRegistryClient({'url': sys.argv[1]})


def avro(case, data, where):
    schema = registry.get_schema(int.from_bytes(data[1:5], 'big')).schema_str
    value = AvroDeserializer(registry, schema, return_record_name=True)(data, where)
    text = io.StringIO()
    fastavro.json_writer(text, fastavro.parse_schema(json.loads(schema)), [value], write_union_type=True)
    again = AvroSerializer(registry, schema, conf={'auto.register.schemas': False})(value, where)
    return json.loads(text.getvalue()) if text.getvalue().strip() else None, again


def jsonschema(case, data, where):
    schema = registry.get_schema(int.from_bytes(data[1:5], 'big')).schema_str
    value = JSONDeserializer(schema, schema_registry_client=registry)(data, where)
    return value, JSONSerializer(schema, registry, conf={'auto.register.schemas': False})(value, where)


def protobuf(case, data, where):
    pool = descriptor_pool.DescriptorPool()
    for known in (timestamp_pb2, duration_pb2, wrappers_pb2, struct_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(case['file']))
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(case['message']))
    value = ProtobufDeserializer(kind, {})(data, where)  # with a registry it asks for a form that only Confluent's own gives
    text = json_format.MessageToDict(value, always_print_fields_with_no_presence=True, descriptor_pool=pool)
    return text, ProtobufSerializer(kind, registry)(value, SerializationContext(case['topic'] + '-python', MessageField.VALUE))


for line in sys.stdin:
    case = json.loads(line)
    try:
        where = SerializationContext(case['topic'], MessageField.VALUE)
        value, data = {'AVRO': avro, 'JSONSCHEMA': jsonschema, 'PROTOBUF': protobuf}[case['format']](case, bytes.fromhex(case['data']), where)
        print(json.dumps({'value': value, 'data': data.hex()}))
    except Exception as e:
        print(json.dumps({'error': f'{type(e).__name__}: {e}'}))
