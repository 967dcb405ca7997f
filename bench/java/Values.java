import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** The comparison that a Java team writes by hand: Avro's generic reader with all its parts used again. One thread. */
final class Values {
    private static final int HEAD = 5; // of Confluent's frame
    private final GenericDatumReader<GenericRecord> reader;
    private final List<Integer> compared = new ArrayList<>();
    private final double atol;
    private BinaryDecoder decoder;
    private GenericRecord one;
    private GenericRecord other;

    Values(String schemaPath, double atol) throws IOException {
        Schema schema = new Schema.Parser().parse(Path.of(schemaPath).toFile());
        reader = new GenericDatumReader<>(schema);
        this.atol = atol;
        for (Schema.Field field : schema.getFields()) {
            if (!field.name().equals("model")) {
                compared.add(field.pos());
            }
        }
    }

    /** All fields equal but `model`, and doubles within the tolerance. */
    boolean agree(byte[] production, byte[] shadow) {
        if (Arrays.equals(production, shadow)) {
            return true;
        }
        one = read(production, one);
        other = read(shadow, other);
        for (int at : compared) {
            Object ours = one.get(at);
            Object theirs = other.get(at);
            if (ours instanceof Double a && theirs instanceof Double b) {
                if (Math.abs(a - b) > atol) {
                    return false;
                }
            } else if (ours == null ? theirs != null : !ours.equals(theirs)) {
                return false;
            }
        }
        return true;
    }

    private GenericRecord read(byte[] value, GenericRecord reused) {
        decoder = DecoderFactory.get().binaryDecoder(value, HEAD, value.length - HEAD, decoder);
        try {
            return reader.read(reused, decoder);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
