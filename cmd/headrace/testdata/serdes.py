"""serdes.py BROKER REGISTRY TOPIC FORMAT: reads the record that the gateway wrote to TOPIC with Confluent's deserializer, prints
its value as JSON, and writes another one with Confluent's serializer.
"""
import json
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

broker, url, topic, kind = sys.argv[1:5]
registry, where = SchemaRegistryClient({'url': url}), SerializationContext(topic, MessageField.VALUE)

consumer = Consumer({'bootstrap.servers': broker, 'group.id': topic, 'enable.auto.commit': False})
consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
message = consumer.poll(60)
consumer.close()
assert message is not None and not message.error(), message and message.error()
data, other = message.value(), {'id': 8, 'tag': 'from Python'}
text = registry.get_schema(int.from_bytes(data[1:5], 'big')).schema_str

if kind == 'avro':
    value, again = AvroDeserializer(registry)(data, where), AvroSerializer(registry, text)(other, where)
elif kind == 'jsonschema':
    value = JSONDeserializer(text, schema_registry_client=registry)(data, where)
    again = JSONSerializer(text, registry)(other, where)
else:
    file = descriptor_pb2.FileDescriptorProto(name=topic + '.proto', package='test', syntax='proto3')
    pin = file.message_type.add(name='Pin')
    for number, (name, type) in enumerate((('id', 3), ('tag', 9)), 1):
        pin.field.add(name=name, number=number, type=type, label=1, json_name=name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    Pin = message_factory.GetMessageClass(pool.FindMessageTypeByName('test.Pin'))
    value = json_format.MessageToDict(ProtobufDeserializer(Pin, {})(data, where))
    again = ProtobufSerializer(Pin, registry)(Pin(**other), where)

print(json.dumps(value))
producer = Producer({'bootstrap.servers': broker})
producer.produce(topic, again, partition=0)
assert producer.flush(30) == 0
