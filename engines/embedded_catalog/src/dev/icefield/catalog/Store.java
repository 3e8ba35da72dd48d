package dev.icefield.catalog;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.iceberg.aws.s3.S3FileIO;
import org.apache.iceberg.exceptions.NotFoundException;
import org.apache.iceberg.inmemory.InMemoryInputFile;
import org.apache.iceberg.io.InputFile;
import org.apache.iceberg.io.OutputFile;
import org.apache.iceberg.io.PositionOutputStream;
import software.amazon.awssdk.core.exception.SdkException;

/**
 * A workspace's object store, which remembers metadata files: they never change, and the next
 * commit needs what the last one wrote.
 */
public final class Store extends S3FileIO {
  private static final long CACHE_BYTES = 24L << 20;
  private static final String METADATA = ".metadata.json";
  private static final Cache<String, byte[]> FILES =
      Caffeine.newBuilder()
          .maximumWeight(CACHE_BYTES)
          .weigher((String location, byte[] file) -> file.length)
          .build();

  /**
   * The store is unavailable, or refuses the workspace's keys. Iceberg retries reading a metadata
   * file for ten minutes unless it is missing, and each try would keep one of our threads: hence
   * this parent.
   */
  static final class UnavailableException extends NotFoundException {
    UnavailableException(SdkException cause, String location) {
      super(cause, "The object store does not give out %s", location);
    }
  }

  @Override
  public InputFile newInputFile(String location) {
    InputFile file = super.newInputFile(location);
    if (!location.endsWith(METADATA)) {
      return file;
    }
    byte[] known = FILES.getIfPresent(location);
    return new InMemoryInputFile(location, known != null ? known : read(file));
  }

  @Override
  public OutputFile newOutputFile(String location) {
    OutputFile file = super.newOutputFile(location);
    return location.endsWith(METADATA) ? new Remembered(file) : file;
  }

  private static byte[] read(InputFile file) {
    try (var stream = file.newStream()) {
      byte[] bytes = stream.readAllBytes();
      FILES.put(file.location(), bytes);
      return bytes;
    } catch (SdkException failure) {
      throw new UnavailableException(failure, file.location());
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }

  /** A file that is remembered once it is stored. */
  private record Remembered(OutputFile file) implements OutputFile {
    @Override
    public PositionOutputStream create() {
      return new Copying(file.create(), location());
    }

    @Override
    public PositionOutputStream createOrOverwrite() {
      return new Copying(file.createOrOverwrite(), location());
    }

    @Override
    public String location() {
      return file.location();
    }

    @Override
    public InputFile toInputFile() {
      return file.toInputFile();
    }
  }

  private static final class Copying extends PositionOutputStream {
    private final PositionOutputStream target;
    private final String location;
    private final ByteArrayOutputStream copy = new ByteArrayOutputStream();

    Copying(PositionOutputStream target, String location) {
      this.target = target;
      this.location = location;
    }

    @Override
    public long getPos() throws IOException {
      return target.getPos();
    }

    @Override
    public void write(int value) throws IOException {
      target.write(value);
      copy.write(value);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      target.write(bytes, offset, length);
      copy.write(bytes, offset, length);
    }

    @Override
    public void flush() throws IOException {
      target.flush();
    }

    @Override
    public void close() throws IOException {
      target.close();
      FILES.put(location, copy.toByteArray());
    }
  }
}
