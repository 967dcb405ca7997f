import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.ValueJoiner;

/** Kafka Streams' windowed join on RocksDB, inner or left, at least once or exactly once; mismatches go to a topic. */
final class StreamsJoin {
    public static void main(String[] args) throws Exception {
        Properties asked = Telling.asked(args[0]);
        String kind = args[1];
        long wanted = Long.parseLong(asked.getProperty("pairs"));
        Values values = new Values(asked.getProperty("schema"), Double.parseDouble(asked.getProperty("atol")));
        AtomicLong pairs = new AtomicLong();
        AtomicLong mismatches = new AtomicLong();
        AtomicLong alone = new AtomicLong();
        ValueJoiner<byte[], byte[], byte[]> compare = (production, shadow) -> {
            if (shadow == null) {
                alone.incrementAndGet();
                return null;
            }
            pairs.incrementAndGet();
            if (values.agree(production, shadow)) {
                return null;
            }
            mismatches.incrementAndGet();
            return shadow;
        };
        StreamsBuilder builder = new StreamsBuilder();
        var bytes = Consumed.with(Serdes.ByteArray(), Serdes.ByteArray());
        KStream<byte[], byte[]> production = builder.stream(asked.getProperty("production"), bytes);
        KStream<byte[], byte[]> shadow = builder.stream(asked.getProperty("shadow"), bytes);
        JoinWindows window = JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(1), Duration.ofSeconds(1));
        var stores = StreamJoined.with(Serdes.ByteArray(), Serdes.ByteArray(), Serdes.ByteArray());
        KStream<byte[], byte[]> joined = kind.equals("left")
                ? production.leftJoin(shadow, compare, window, stores)
                : production.join(shadow, compare, window, stores);
        joined.filter((key, value) -> value != null)
                .to(asked.getProperty("found"), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));

        Path state = Files.createTempDirectory("bench-streams-");
        Properties settings = new Properties();
        settings.put("application.id", "bench-streams-" + kind + "-" + asked.getProperty("production"));
        settings.put("bootstrap.servers", asked.getProperty("bootstrap"));
        settings.put("state.dir", state.toString());
        settings.put("processing.guarantee", kind.equals("eos") ? "exactly_once_v2" : "at_least_once");
        settings.put("commit.interval.ms", "1000");
        settings.put("num.stream.threads", "1");
        settings.put("auto.offset.reset", "earliest");
        settings.put("replication.factor", "1");
        Telling telling = new Telling(wanted);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.start();
        long last = -1;
        long since = System.nanoTime();
        while (pairs.get() < wanted && System.nanoTime() - since < 30_000_000_000L) {
            Thread.sleep(50);
            telling.reached(pairs.get());
            if (pairs.get() != last) {
                last = pairs.get();
                since = System.nanoTime();
            }
        }
        streams.close(Duration.ofSeconds(30));
        telling.found(pairs.get(), mismatches.get());
        try (var files = Files.walk(state)) {
            files.sorted(java.util.Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        }
        Runtime.getRuntime().halt(0);
    }
}
