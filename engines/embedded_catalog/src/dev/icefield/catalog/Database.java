package dev.icefield.catalog;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.iceberg.jdbc.JdbcClientPool;
import org.apache.iceberg.jdbc.UncheckedSQLException;

/**
 * The one pool of connections that every warehouse shares, in the shape that JdbcCatalog asks for.
 *
 * <p>Unlike the pool that Iceberg brings, it runs a statement once: a commit that is sent again
 * after its answer was lost would find the row changed, report a conflict, and the client would
 * append its rows a second time.
 */
final class Database extends JdbcClientPool {
  private static final int CONNECTIONS = 10;

  private final HikariDataSource source;
  final String url;

  Database(String url, String username, String password) {
    super(1, url, Map.of());
    this.url = url;
    HikariConfig config = new HikariConfig();
    config.setPoolName("catalog");
    config.setJdbcUrl(url);
    config.setUsername(username);
    config.setPassword(password);
    config.setMaximumPoolSize(CONNECTIONS);
    config.setMinimumIdle(2);
    config.setConnectionTimeout(10_000);
    config.setInitializationFailTimeout(60_000);
    if (url.startsWith("jdbc:postgresql:")) {
      config.addDataSourceProperty("ApplicationName", "icefield-catalog");
      config.addDataSourceProperty("connectTimeout", "5");
      config.addDataSourceProperty("socketTimeout", "30");
      config.addDataSourceProperty("tcpKeepAlive", "true");
    } else {
      config.addDataSourceProperty("busy_timeout", "10000");
      config.addDataSourceProperty("journal_mode", "WAL");
    }
    this.source = new HikariDataSource(config);
    createSchema();
  }

  /**
   * Make the schema that the URL names (currentSchema=…), so that a database may be shared with
   * others.
   */
  private void createSchema() {
    Matcher schema = Pattern.compile("[?&]currentSchema=([a-z_]+)").matcher(url);
    // Not simply IF NOT EXISTS, which asks for the right to make schemas even where there is
    // nothing to make.
    if (url.startsWith("jdbc:postgresql:")
        && schema.find()
        && !exists("SELECT 1 FROM pg_namespace WHERE nspname = ?", schema.group(1))) {
      update("CREATE SCHEMA IF NOT EXISTS " + schema.group(1));
    }
  }

  @Override
  public <R> R run(Action<R, Connection, SQLException> action) throws SQLException {
    try (Connection connection = source.getConnection()) {
      return action.run(connection);
    }
  }

  @Override
  public <R> R run(Action<R, Connection, SQLException> action, boolean retry) throws SQLException {
    return run(action);
  }

  /** Run several statements as one; all of them count, or none does. */
  <R> R transaction(Action<R, Connection, SQLException> action) throws SQLException {
    try (Connection connection = source.getConnection()) {
      connection.setAutoCommit(false);
      try {
        R result = action.run(connection);
        connection.commit();
        return result;
      } catch (SQLException | RuntimeException failure) {
        connection.rollback();
        throw failure;
      }
    }
  }

  /** Run one statement; returns how many rows it changed. */
  int update(String sql, Object... values) {
    try {
      return run(connection -> execute(connection, sql, values));
    } catch (SQLException failure) {
      throw new UncheckedSQLException(failure, "The catalog's database refused a change");
    }
  }

  /** Whether a query has a row. */
  boolean exists(String sql, String value) {
    try {
      return run(
          connection -> {
            try (var statement = connection.prepareStatement(sql)) {
              statement.setString(1, value);
              return statement.executeQuery().next();
            }
          });
    } catch (SQLException failure) {
      throw new UncheckedSQLException(failure, "The catalog's database does not answer");
    }
  }

  static int execute(Connection connection, String sql, Object... values) throws SQLException {
    try (var statement = connection.prepareStatement(sql)) {
      for (int index = 0; index < values.length; index++) {
        statement.setObject(index + 1, values[index]);
      }
      return statement.executeUpdate();
    }
  }

  boolean isHealthy() {
    try {
      return run(connection -> connection.isValid(3));
    } catch (SQLException failure) {
      return false;
    }
  }

  @Override
  public void close() {
    source.close();
  }
}
