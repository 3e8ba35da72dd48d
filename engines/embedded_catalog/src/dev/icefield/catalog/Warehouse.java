package dev.icefield.catalog;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.iceberg.CatalogProperties;
import org.apache.iceberg.inmemory.InMemoryFileIO;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.jdbc.JdbcCatalog;

/**
 * One workspace's catalog: its rows in the database, and its part of the bucket under its own keys.
 */
final class Warehouse {
  private static final Pattern SLUG = Pattern.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");

  /** The location of its tables, and the keys that open them. */
  record Storage(
      @JsonProperty("bucket") String bucket,
      @JsonProperty("key-prefix") String keyPrefix,
      @JsonProperty("endpoint") String endpoint,
      @JsonProperty("region") String region,
      @JsonProperty("access-key-id") String accessKeyId,
      @JsonProperty("secret-access-key") String secretAccessKey) {

    /** Check that everything is there; @throws IllegalArgumentException something is missing. */
    Storage {
      require(bucket, "bucket");
      require(keyPrefix, "key-prefix");
      require(endpoint, "endpoint");
      require(region, "region");
      require(accessKeyId, "access-key-id");
      require(secretAccessKey, "secret-access-key");
    }

    /** What clients need to know of the store; they have keys of their own. */
    Map<String, String> clientConfig() {
      // Iceberg asks maps for null, which those of Map.of refuse.
      return new HashMap<>(
          Map.of(
              "s3.endpoint", endpoint,
              "s3.region", region,
              "s3.path-style-access", "true",
              "client.region", region));
    }

    @Override
    public String toString() {
      return "s3://" + bucket + "/" + keyPrefix;
    }

    private static void require(String value, String name) {
      if (value == null || value.isBlank()) {
        throw new IllegalArgumentException("A warehouse needs " + name);
      }
    }
  }

  final String slug;
  final Storage storage;
  final String tokenHash;
  final Locations locations;
  final FileIO io;
  final String clientConfigHash;
  private final byte[] tokenDigest;
  private final Database database;
  private JdbcCatalog catalog;

  Warehouse(String slug, Storage storage, String tokenHash, Database database) {
    this.slug = slug;
    this.storage = storage;
    this.tokenHash = tokenHash;
    this.tokenDigest = HexFormat.of().parseHex(tokenHash);
    this.locations = new Locations(storage.bucket(), storage.keyPrefix());
    this.clientConfigHash = Seal.hexSha256(storage.endpoint() + "\n" + storage.region());
    this.io = new Store();
    io.initialize(s3Properties(storage));
    this.database = database;
  }

  /**
   * Its catalog; opened when it is first asked for, so that a start does not wait for every
   * workspace.
   */
  synchronized JdbcCatalog catalog() {
    if (catalog == null) {
      catalog = open(slug, storage.toString(), io, database, false);
    }
    return catalog;
  }

  /** Make the tables that JdbcCatalog keeps everything in. */
  static void createTables(Database database) {
    open("schema", "memory://", new InMemoryFileIO(), database, true);
  }

  private static JdbcCatalog open(
      String name, String location, FileIO io, Database database, boolean createTables) {
    JdbcCatalog made = new JdbcCatalog(properties -> io, properties -> database, createTables);
    made.initialize(
        name,
        Map.of(
            CatalogProperties.URI,
            database.url,
            CatalogProperties.WAREHOUSE_LOCATION,
            location,
            // A table that was renamed keeps its location: a new one of its old name must not share it.
            CatalogProperties.UNIQUE_TABLE_LOCATION,
            "true",
            // Views need the second version of the tables; a table needs a namespace that exists.
            "jdbc.schema-version",
            "V1",
            "jdbc.strict-mode",
            "true"));
    return made;
  }

  /**
   * Whether this is the token of the workspace, in a time that says nothing about how much of it is
   * right.
   */
  boolean accepts(String token) {
    return MessageDigest.isEqual(Seal.sha256(token), tokenDigest);
  }

  static void checkSlug(String slug) {
    if (!SLUG.matcher(slug).matches()) {
      throw new IllegalArgumentException(
          "A warehouse is called by a workspace's name: lower case letters, digits and dashes");
    }
  }

  private static Map<String, String> s3Properties(Storage storage) {
    Map<String, String> properties = storage.clientConfig();
    properties.put("s3.access-key-id", storage.accessKeyId());
    properties.put("s3.secret-access-key", storage.secretAccessKey());
    // A client waits for about as long.
    properties.put("http-client.apache.connection-timeout-ms", "3000");
    properties.put("http-client.apache.socket-timeout-ms", "20000");
    properties.put("s3.retry.num-retries", "2");
    properties.put("s3.retry.max-wait-ms", "2000");
    return properties;
  }
}
