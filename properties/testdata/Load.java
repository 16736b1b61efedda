import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

/** Reads base64 property files, one a line, and writes what java.util.Properties makes of each as JSON. */
public class Load {
  public static void main(String[] args) throws IOException {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "US-ASCII");
    for (String line; (line = in.readLine()) != null;) {
      Properties props = new Properties();
      try {
        props.load(new ByteArrayInputStream(Base64.getDecoder().decode(line)));
      } catch (IllegalArgumentException e) {
        out.println("null");
        continue;
      }
      StringJoiner members = new StringJoiner(",", "{", "}");
      for (String key : new TreeSet<>(props.stringPropertyNames())) {
        members.add(quote(key) + ":" + quote(props.getProperty(key)));
      }
      out.println(members);
    }
    out.flush();
  }

  static String quote(String s) {
    StringBuilder b = new StringBuilder("\"");
    for (char c : s.toCharArray()) {
      b.append(c >= ' ' && c < 127 && c != '"' && c != '\\' ? String.valueOf(c) : String.format("\\u%04x", (int) c));
    }
    return b.append('"').toString();
  }
}
