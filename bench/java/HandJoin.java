import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The loop that a Java team writes by hand: a map a side, mismatches produced, a commit a second. */
final class HandJoin {
    public static void main(String[] args) throws Exception {
        Properties asked = Telling.asked(args[0]);
        long wanted = Long.parseLong(asked.getProperty("pairs"));
        Telling telling = new Telling(wanted);
        Values values = new Values(asked.getProperty("schema"), Double.parseDouble(asked.getProperty("atol")));
        String production = asked.getProperty("production");
        String found = asked.getProperty("found");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", asked.getProperty("bootstrap"));
        settings.put("group.id", "bench-hand-java-" + production);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", "2000");
        List<TopicPartition> places = new ArrayList<>();
        for (String topic : List.of(production, asked.getProperty("shadow"))) {
            for (int n = 0; n < Integer.parseInt(asked.getProperty("partitions")); n++) {
                places.add(new TopicPartition(topic, n));
            }
        }
        Properties writing = new Properties();
        writing.put("bootstrap.servers", asked.getProperty("bootstrap"));
        writing.put("linger.ms", "20");
        Map<ByteBuffer, byte[]> ours = new HashMap<>();
        Map<ByteBuffer, byte[]> theirs = new HashMap<>();
        long pairs = 0;
        long mismatches = 0;
        long committed = System.nanoTime();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
                var producer = new KafkaProducer<>(writing, new ByteArraySerializer(), new ByteArraySerializer())) {
            consumer.assign(places);
            while (pairs < wanted) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    boolean isOurs = record.topic().equals(production);
                    ByteBuffer key = ByteBuffer.wrap(record.key());
                    byte[] other = (isOurs ? theirs : ours).remove(key);
                    if (other == null) {
                        (isOurs ? ours : theirs).put(key, record.value());
                        continue;
                    }
                    pairs++;
                    byte[] shadow = isOurs ? other : record.value();
                    if (!values.agree(isOurs ? record.value() : other, shadow)) {
                        mismatches++;
                        producer.send(new ProducerRecord<>(found, record.key(), shadow));
                    }
                }
                telling.reached(pairs);
                if (System.nanoTime() - committed > 1_000_000_000L) {
                    consumer.commitAsync();
                    committed = System.nanoTime();
                }
            }
            producer.flush();
            consumer.commitSync();
        }
        telling.found(pairs, mismatches);
    }
}
