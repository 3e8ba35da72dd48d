package dev.icefield.catalog;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.sql.SQLException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.iceberg.jdbc.UncheckedSQLException;

/**
 * Every workspace's catalog: kept in the database with its keys encrypted, and opened in memory.
 */
final class Warehouses {
  private static final long CLOSE_AFTER_SECONDS = 120;
  private static final String CREATE =
      "CREATE TABLE IF NOT EXISTS icefield_warehouses(slug VARCHAR(63) PRIMARY KEY, token_sha256"
          + " VARCHAR(64) NOT NULL, storage TEXT NOT NULL)";
  private static final String HOLDS_TABLES =
      "SELECT 1 FROM iceberg_tables WHERE catalog_name = ? LIMIT 1";
  private static final String UPSERT =
      "INSERT INTO icefield_warehouses(slug, token_sha256, storage) VALUES (?, ?, ?) ON CONFLICT"
          + " (slug) DO UPDATE SET token_sha256 = excluded.token_sha256, storage ="
          + " excluded.storage";

  private final Database database;
  private final Seal seal;
  private final Map<String, Warehouse> open = new ConcurrentHashMap<>();

  Warehouses(Database database, Seal seal) throws SQLException {
    this.database = database;
    this.seal = seal;
    database.update(CREATE);
    Warehouse.createTables(database);
    database.run(
        connection -> {
          try (var statement = connection.createStatement();
              var rows =
                  statement.executeQuery(
                      "SELECT slug, token_sha256, storage FROM icefield_warehouses")) {
            while (rows.next()) {
              String slug = rows.getString(1);
              open.put(
                  slug,
                  new Warehouse(
                      slug,
                      storage(seal.open(slug, rows.getString(3))),
                      rows.getString(2),
                      database));
            }
          }
          return null;
        });
  }

  Optional<Warehouse> find(String slug) {
    return Optional.ofNullable(open.get(slug));
  }

  int size() {
    return open.size();
  }

  /**
   * Create a warehouse, or update its token and storage; synchronized, so that two calls
   * cannot cross.
   */
  synchronized void put(String slug, String token, Warehouse.Storage storage) {
    Warehouse.checkSlug(slug);
    if (token == null || token.length() < 16) {
      throw new IllegalArgumentException("A warehouse needs a token of at least 16 characters");
    }
    String tokenHash = Seal.hexSha256(token);
    Warehouse known = open.get(slug);
    if (known != null && known.storage.equals(storage) && known.tokenHash.equals(tokenHash)) {
      return;
    }
    if (known != null
        && !known.storage.toString().equals(storage.toString())
        && database.exists(HOLDS_TABLES, slug)) {
      throw new IllegalArgumentException(
          "The tables of " + slug + " lie in " + known.storage + ": it cannot move");
    }
    Warehouse made = new Warehouse(slug, storage, tokenHash, database);
    if (known == null) {
      // Left by a request that was running when a warehouse of this name was deleted.
      delete(slug);
    }
    database.update(UPSERT, slug, tokenHash, seal.seal(slug, Json.write(storage)));
    closeLater(open.put(slug, made));
    warmUp();
  }

  /**
   * Delete a warehouse and everything in its catalog; files stay, they belong to the workspace's
   * prefix.
   */
  synchronized void delete(String slug) {
    try {
      database.transaction(
          connection -> {
            Database.execute(connection, "DELETE FROM icefield_warehouses WHERE slug = ?", slug);
            Database.execute(connection, "DELETE FROM iceberg_tables WHERE catalog_name = ?", slug);
            Database.execute(
                connection,
                "DELETE FROM iceberg_namespace_properties WHERE catalog_name = ?",
                slug);
            return null;
          });
    } catch (SQLException failure) {
      throw new UncheckedSQLException(failure, "The catalog's database refused a change");
    }
    closeLater(open.remove(slug));
  }

  /**
   * Open a connection to the store before a request waits for it: the first one loads a thousand
   * classes, for a second.
   */
  void warmUp() {
    open.values().stream()
        .findAny()
        .ifPresent(
            warehouse ->
                CompletableFuture.runAsync(
                    () -> warehouse.io.newInputFile(warehouse.storage + "/warm-up").exists()));
  }

  private static Warehouse.Storage storage(String json) {
    try {
      return Json.MAPPER.readValue(json, Warehouse.Storage.class);
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("The storage of a warehouse cannot be read", failure);
    }
  }

  private static void closeLater(Warehouse replaced) {
    // Requests that began with it may still read.
    if (replaced != null) {
      CompletableFuture.delayedExecutor(CLOSE_AFTER_SECONDS, TimeUnit.SECONDS)
          .execute(replaced.io::close);
    }
  }
}
