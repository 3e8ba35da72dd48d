package dev.icefield.catalog;

import dev.icefield.catalog.Call.Reply;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.iceberg.exceptions.AlreadyExistsException;
import org.apache.iceberg.exceptions.BadRequestException;
import org.apache.iceberg.exceptions.CommitFailedException;
import org.apache.iceberg.exceptions.NamespaceNotEmptyException;
import org.apache.iceberg.exceptions.NoSuchIcebergTableException;
import org.apache.iceberg.exceptions.NoSuchNamespaceException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.exceptions.NotAuthorizedException;
import org.apache.iceberg.exceptions.ValidationException;
import org.apache.iceberg.rest.responses.ErrorResponse;
import org.apache.iceberg.rest.responses.ErrorResponseParser;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * Turns what was thrown into the protocol's error: a status, a type and one sentence, never a stack
 * trace.
 */
final class Failures {
  private static final Logger LOG = Logger.getLogger(Failures.class.getName());

  private Failures() {}

  /** The request's body is larger than is read. */
  static final class TooLarge extends RuntimeException {
    TooLarge(String message) {
      super(message);
    }
  }

  static Reply reply(Throwable failure, String method) {
    int status = status(failure, method);
    String message =
        failure.getMessage() == null ? "" : failure.getMessage().lines().findFirst().orElse("");
    if (status == 403) {
      message = "The object store refuses the workspace's keys";
    }
    if (status >= 500) {
      LOG.log(Level.WARNING, method + " failed: " + message, status == 503 ? null : failure);
      message =
          status == 503
              ? "The catalog cannot reach its database or the object store: try again"
              : "The catalog failed: " + message;
    }
    return reply(status, failure.getClass().getSimpleName(), message);
  }

  static Reply reply(int status, String type, String message) {
    ErrorResponse error =
        ErrorResponse.builder().responseCode(status).withType(type).withMessage(message).build();
    return new Reply(
        status, ErrorResponseParser.toJson(error).getBytes(StandardCharsets.UTF_8), null);
  }

  private static int status(Throwable failure, String method) {
    if (failure instanceof NotAuthorizedException) {
      return 401;
    }
    if (failure instanceof NoSuchTableException
        || failure instanceof NoSuchIcebergTableException
        || failure instanceof NoSuchNamespaceException
        || failure instanceof NoSuchViewException) {
      return 404;
    }
    if (failure instanceof AlreadyExistsException
        || failure instanceof CommitFailedException
        || failure instanceof NamespaceNotEmptyException) {
      return 409;
    }
    if (failure instanceof TooLarge) {
      return 413;
    }
    if (failure instanceof IllegalArgumentException
        || failure instanceof ValidationException
        || failure instanceof BadRequestException
        || failure instanceof UnsupportedOperationException
        || isTooLong(failure)) {
      return 400;
    }
    SdkException store = store(failure);
    if (store instanceof S3Exception refused && refused.statusCode() == 403) {
      return 403;
    }
    // A client sends a request again that was answered with 503. A commit may have happened before
    // something broke, and
    // must not happen twice: 500 says that its outcome is unknown.
    boolean isRead = method.equals("GET") || method.equals("HEAD");
    boolean isOutage = store != null || failure.getCause() instanceof SQLException;
    return isRead && isOutage ? 503 : 500;
  }

  private static SdkException store(Throwable failure) {
    Throwable reason = failure instanceof Store.UnavailableException ? failure.getCause() : failure;
    return reason instanceof SdkException found ? found : null;
  }

  private static boolean isTooLong(Throwable failure) {
    return failure.getCause() instanceof SQLException cause && "22001".equals(cause.getSQLState());
  }
}
