package dev.icefield.catalog;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.icefield.catalog.Call.Reply;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.iceberg.exceptions.NotAuthorizedException;
import org.apache.iceberg.rest.RESTUtil;

/** HTTP: authorization, routing, and errors. */
final class Server {
  private static final int THREADS = 32;
  private static final int WAITING = 512;
  private static final int BODY_BYTES = 8 << 20;
  private static final long STOP_SECONDS = 15;

  /** The handler of one method of one path. */
  private record Route(
      String method, Pattern path, List<String> variables, Catalog.Handler handler) {}

  private final HttpServer http;
  private final ThreadPoolExecutor threads;
  private final AtomicInteger running = new AtomicInteger();
  private volatile boolean stopping;
  private final Database database;
  private final Warehouses warehouses;
  private final Catalog catalog;
  private final byte[] adminDigest;
  private final List<Route> routes = new ArrayList<>();

  Server(InetSocketAddress address, Database database, Warehouses warehouses, String adminToken)
      throws IOException {
    this.database = database;
    this.warehouses = warehouses;
    this.catalog = new Catalog(database);
    this.adminDigest = Seal.sha256(adminToken);
    catalog
        .endpoints()
        .forEach(
            (endpoint, handler) ->
                routes.add(route(endpoint.httpMethod(), endpoint.path(), handler)));
    this.threads =
        new ThreadPoolExecutor(
            THREADS, THREADS, 60, TimeUnit.SECONDS, new ArrayBlockingQueue<>(WAITING));
    this.http = HttpServer.create(address, 256);
    http.setExecutor(threads);
    http.createContext("/", this::serve);
  }

  void start() {
    http.start();
  }

  InetSocketAddress address() {
    return http.getAddress();
  }

  /** Finish running requests, answer further ones on connections that then close, and stop. */
  void stop() {
    stopping = true;
    long giveUp = System.nanoTime() + TimeUnit.SECONDS.toNanos(STOP_SECONDS);
    while (running.get() > 0 && System.nanoTime() < giveUp) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
    }
    http.stop(0);
    threads.shutdownNow();
  }

  private static Route route(String method, String template, Catalog.Handler handler) {
    List<String> variables = new ArrayList<>();
    Matcher variable = Pattern.compile("\\{([a-z-]+)}").matcher(template);
    String pattern =
        variable.replaceAll(
            found -> {
              variables.add(found.group(1));
              return "([^/]+)";
            });
    return new Route(method, Pattern.compile("/catalog" + pattern), variables, handler);
  }

  private void serve(HttpExchange exchange) throws IOException {
    running.incrementAndGet();
    try (exchange) {
      Reply reply;
      try {
        reply = answer(exchange);
      } catch (RuntimeException | LinkageError | StackOverflowError failure) {
        reply = Failures.reply(failure, exchange.getRequestMethod());
      }
      send(exchange, reply);
    } finally {
      running.decrementAndGet();
    }
  }

  private Reply answer(HttpExchange exchange) throws IOException {
    String path = exchange.getRequestURI().getRawPath();
    if (path.equals("/livez")) {
      return Reply.NO_CONTENT;
    }
    if (path.equals("/healthz")) {
      return database.isHealthy()
          ? Reply.NO_CONTENT
          : Failures.reply(
              503, "ServiceUnavailableException", "The catalog's database does not answer");
    }
    if (path.startsWith("/management/v1/warehouses/")) {
      return manage(exchange, path.substring("/management/v1/warehouses/".length()));
    }
    if (path.equals("/catalog/v1/config") && exchange.getRequestMethod().equals("GET")) {
      String name = query(exchange).get("warehouse");
      if (name == null) {
        throw new IllegalArgumentException("A warehouse is required: /v1/config?warehouse=<name>");
      }
      return catalog.config(authorized(exchange, name));
    }
    return serveCatalog(exchange, path);
  }

  private Reply serveCatalog(HttpExchange exchange, String path) throws IOException {
    boolean known = false;
    for (Route route : routes) {
      Matcher matcher = route.path().matcher(path);
      if (!matcher.matches()) {
        continue;
      }
      known = true;
      if (route.method().equals(exchange.getRequestMethod())) {
        Map<String, String> values = new HashMap<>();
        for (int index = 0; index < route.variables().size(); index++) {
          values.put(route.variables().get(index), matcher.group(index + 1));
        }
        Warehouse warehouse = authorized(exchange, values.get("prefix"));
        String ifNoneMatch = exchange.getRequestHeaders().getFirst("If-None-Match");
        return route
            .handler()
            .serve(warehouse, new Call(values, query(exchange), ifNoneMatch, body(exchange)));
      }
    }
    return known
        ? Failures.reply(
            405,
            "UnsupportedOperationException",
            exchange.getRequestMethod() + " is not supported here")
        : Failures.reply(404, "NoSuchEndpointException", "Not found: " + path);
  }

  private Reply manage(HttpExchange exchange, String slug) throws IOException {
    if (!MessageDigest.isEqual(Seal.sha256(bearer(exchange)), adminDigest)) {
      throw new NotAuthorizedException("The admin token is required");
    }
    Warehouse.checkSlug(slug);
    switch (exchange.getRequestMethod()) {
      case "PUT" -> {
        Call call = new Call(Map.of(), Map.of(), null, body(exchange));
        Object token = call.body(Map.class).get("token");
        warehouses.put(
            slug, token == null ? null : token.toString(), call.body(Warehouse.Storage.class));
        return Reply.json(Map.of("name", slug));
      }
      case "DELETE" -> {
        warehouses.delete(slug);
        return Reply.NO_CONTENT;
      }
      default -> {
        return Failures.reply(
            405, "UnsupportedOperationException", "A warehouse is PUT or DELETEd");
      }
    }
  }

  /**
   * The warehouse of this name, if the caller has its token; otherwise the answer is the same
   * whether it exists or not.
   */
  private Warehouse authorized(HttpExchange exchange, String slug) {
    String token = bearer(exchange);
    return warehouses
        .find(slug)
        .filter(warehouse -> warehouse.accepts(token))
        .orElseThrow(
            () -> new NotAuthorizedException("The token does not open the catalog %s", slug));
  }

  private static String bearer(HttpExchange exchange) {
    String header = exchange.getRequestHeaders().getFirst("Authorization");
    return header != null && header.regionMatches(true, 0, "Bearer ", 0, 7)
        ? header.substring(7).strip()
        : "";
  }

  private static Map<String, String> query(HttpExchange exchange) {
    Map<String, String> values = new HashMap<>();
    String raw = exchange.getRequestURI().getRawQuery();
    if (raw != null) {
      for (String pair : raw.split("&")) {
        int equals = pair.indexOf('=');
        if (equals > 0) {
          values.put(
              RESTUtil.decodeString(pair.substring(0, equals)),
              RESTUtil.decodeString(pair.substring(equals + 1)));
        }
      }
    }
    return values;
  }

  private static byte[] body(HttpExchange exchange) throws IOException {
    byte[] body = exchange.getRequestBody().readNBytes(BODY_BYTES + 1);
    if (body.length > BODY_BYTES) {
      throw new Failures.TooLarge("A request has at most " + (BODY_BYTES >> 20) + " MiB");
    }
    return body;
  }

  private void send(HttpExchange exchange, Reply reply) throws IOException {
    if (stopping) {
      exchange.getResponseHeaders().set("Connection", "close");
    }
    if (reply.etag() != null) {
      exchange.getResponseHeaders().set("ETag", reply.etag());
    }
    if (reply.body() == null || exchange.getRequestMethod().equals("HEAD")) {
      exchange.sendResponseHeaders(reply.status(), -1);
      return;
    }
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(reply.status(), reply.body().length);
    try (var out = exchange.getResponseBody()) {
      out.write(reply.body());
    }
  }
}
