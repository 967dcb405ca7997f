import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;

/** What a Java engine is asked, and tells the harness: see bench/engines/telling.py. */
final class Telling {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private final long step;
    private long next;

    Telling(long pairs) {
        step = Math.max(1, pairs / 50);
    }

    /** The harness's questions as properties. */
    static Properties asked(String path) throws Exception {
        Properties asked = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(path))) {
            asked.load(reader);
        }
        return asked;
    }

    void reached(long pairs) {
        if (pairs >= next) {
            next = pairs + step;
            say(pairs);
        }
    }

    void found(long pairs, long mismatches) {
        say(pairs);
        System.out.printf("{\"found\": {\"pairs\": %d, \"mismatches\": %d}}%n", pairs, mismatches);
        System.out.flush();
    }

    private static void say(long pairs) {
        double seconds = SYSTEM.getProcessCpuTime() / 1e9;
        System.out.printf(Locale.ROOT, "{\"pairs\": %d, \"cpu_s\": %.3f}%n", pairs, seconds);
        System.out.flush();
    }
}
