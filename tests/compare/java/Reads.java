import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Lines of a writer's schema, a reader's schema and a body in base64, by tabs, to lines of the body that the reader's
 * schema has for what Avro's own reader reads, and of the body that the writer's has for that; of what cannot be read,
 * the error behind a question mark.
 */
public final class Reads {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] parts = line.split("\t", -1);
      String there = read(parts[0], parts[1], parts[2]);
      out.println(there + "\t" + (there.startsWith("?") ? there : read(parts[1], parts[0], there)));
    }
    out.flush();
  }

  private static String read(String writer, String reader, String body) {
    try {
      return read(writer, reader, Base64.getDecoder().decode(body));
    } catch (Exception | StackOverflowError error) {
      return "?" + String.valueOf(error).replaceAll("\\s+", " ");
    }
  }

  private static String read(String writer, String reader, byte[] body) throws Exception {
    Schema written = new Schema.Parser().parse(writer);
    Schema read = new Schema.Parser().parse(reader);
    Object value =
        new GenericDatumReader<Object>(written, read).read(null, DecoderFactory.get().binaryDecoder(body, null));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    new GenericDatumWriter<Object>(read).write(value, encoder);
    encoder.flush();
    return Base64.getEncoder().encodeToString(bytes.toByteArray());
  }
}
